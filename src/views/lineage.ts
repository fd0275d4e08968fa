import { workspace } from "../core/paths.ts";
import { fileUri } from "../core/places.ts";
import type { Lineage } from "../records/reads/lineage.ts";
import { bytes } from "./format.ts";
import type { Look } from "./look.ts";

/** Of so many of one kind and stage, side by side, all are shown; of more, the first few. */
const mostAlike = 8;
const fewAlike = 3;

/**
 * What an artifact was made from, as a tree. What was shown once is named again but not opened again, and of the outputs of
 * very many shards only a few are shown.
 */
export function lineageTree(root: Lineage, look: Look): string {
  const { dim } = look.colors;
  const seen = new Set<string>();
  const home = root.artifact.runId;
  const lines = [label(root, home, look)];
  walk(root, "");
  return lines.join("\n");

  function walk(node: Lineage, prefix: string): void {
    seen.add(node.artifact.id);
    const shown = fewOf(node.parents);
    shown.forEach(({ parent, more }, i) => {
      const last = i === shown.length - 1;
      const known = seen.has(parent.artifact.id) && parent.parents.length > 0;
      const branch = `${prefix}${last ? "└─ " : "├─ "}`;
      if (more > 0) {
        lines.push(`${branch}${dim(`${more} more ${parent.artifact.kind} by ${parent.stage}`)}`);
        return;
      }
      lines.push(`${branch}${label(parent, home, look)}${known ? dim("  (above)") : ""}`);
      if (!known) walk(parent, prefix + (last ? "   " : "│  "));
    });
  }
}

/** Parents in order; in place of those that are left out, one that says how `more` there are. */
function fewOf(parents: readonly Lineage[]): { parent: Lineage; more: number }[] {
  const alike = new Map<string, number>();
  const keyOf = ({ artifact, stage }: Lineage) => `${artifact.stageId} ${stage} ${artifact.kind}`;
  for (const parent of parents) alike.set(keyOf(parent), (alike.get(keyOf(parent)) ?? 0) + 1);
  const told = new Map<string, number>();
  return parents.flatMap((parent) => {
    const [key, of] = [keyOf(parent), alike.get(keyOf(parent))!];
    const before = told.get(key) ?? 0;
    told.set(key, before + 1);
    if (of <= mostAlike || before < fewAlike) return [{ parent, more: 0 }];
    return before === fewAlike ? [{ parent, more: of - fewAlike }] : [];
  });
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

/** The tree as one JSON object. What was told once is named again by its id, without its parents (`above`). */
export function lineageJson(root: Lineage): Record<string, unknown> {
  const seen = new Set<string>();
  return tell(root);

  function tell({ artifact, stage, parents }: Lineage): Record<string, unknown> {
    const { id, kind, sha256, uri, step, runId } = artifact;
    const known = seen.has(id) && parents.length > 0;
    seen.add(id);
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
      ...(known ? { above: true } : { parents: parents.map(tell) }),
    };
  }
}
