import { workspace } from "../core/paths.ts";
import { fileUri } from "../core/places.ts";
import type { Lineage } from "../records/reads/lineage.ts";
import { bytes } from "./format.ts";
import type { Look } from "./look.ts";

/** What an artifact was made from, as a tree. What was shown once is named again but not opened again. */
export function lineageTree(root: Lineage, look: Look): string {
  const seen = new Set<string>();
  const home = root.artifact.runId;
  const lines = [label(root, home, look)];
  walk(root, "");
  return lines.join("\n");

  function walk(node: Lineage, prefix: string): void {
    seen.add(node.artifact.id);
    node.parents.forEach((parent, i) => {
      const last = i === node.parents.length - 1;
      const known = seen.has(parent.artifact.id) && parent.parents.length > 0;
      lines.push(
        `${prefix}${last ? "└─ " : "├─ "}${label(parent, home, look)}${known ? look.colors.dim("  (above)") : ""}`,
      );
      if (!known) walk(parent, prefix + (last ? "   " : "│  "));
    });
  }
}

function label({ artifact, stage }: Lineage, home: string, { colors }: Look): string {
  const other = artifact.runId === home ? "" : ` of run ${artifact.runId}`;
  const gone = artifact.goneAt === null ? "" : colors.red("  gone");
  const step = artifact.step === null ? "" : ` step ${artifact.step}`;
  return `${artifact.kind}${step}  ${colors.dim(`by ${stage}${other}, ${bytes(artifact.bytes)}, ${artifact.sha256.slice(0, 12)}`)}${forkedAt(artifact.meta)}${gone}`;
}

interface Fork {
  step: number;
  changed?: string[];
  orderSha256?: string | null;
  newOrderSha256?: string | null;
}

function forkOf(meta: unknown): Fork | null {
  return (meta as { forked?: Fork } | null)?.forked ?? null;
}

/** Where the training behind an artifact left an older one, and what it changed there. */
function forkedAt(meta: unknown): string {
  const fork = forkOf(meta);
  if (fork === null || fork.newOrderSha256 === undefined) return "";
  const { step, changed = [], orderSha256, newOrderSha256 } = fork;
  const order = (hash: string | null | undefined) => hash?.slice(0, 12) ?? "none";
  const what = changed.filter((one) => !one.startsWith("orderSha256 "));
  return `  amended at step ${step}: ${what.join("; ") || "nothing"}; order ${order(orderSha256)} -> ${order(newOrderSha256)}`;
}

/** The tree as one JSON object. */
export function lineageJson({ artifact, stage, parents }: Lineage): Record<string, unknown> {
  const { id, kind, sha256, uri, step, runId } = artifact;
  return {
    id,
    kind,
    run: runId,
    stage,
    sha256,
    uri: fileUri(workspace(), uri),
    bytes: Number(artifact.bytes),
    step,
    ...(forkOf(artifact.meta) ? { forked: forkOf(artifact.meta) } : {}),
    parents: parents.map(lineageJson),
  };
}
