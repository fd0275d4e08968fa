import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import { differences, shortValue } from "../core/differences.ts";
import type { EarlierStage } from "../core/earlier-stage.ts";

export type ChangeKind = "kind" | "option" | "seed" | "code" | "input" | "start" | "outputs";

/** One thing that differs from the earlier run. */
export interface Changed {
  what: ChangeKind;
  /** Of an option its path, of an input the stage it comes from (or its kind). */
  name: string | null;
  before: unknown;
  after: unknown;
}

/**
 * What of a stage differs from an earlier run of it. Inputs count where they are known (`inputs` is null before).
 */
export function changedSince(
  earlier: EarlierStage,
  stage: ResolvedStage,
  { seed }: ResolvedPipeline,
  now: { codeHash: string | undefined; inputs: EarlierStage["inputs"] | null; startFrom: string | null },
): Changed[] {
  const one = (what: ChangeKind, before: unknown, after: unknown, name: string | null = null): Changed[] =>
    before === after ? [] : [{ what, name, before, after }];
  const found = [
    ...one("kind", `${earlier.kind} ${earlier.version}`, `${stage.kind} ${stage.version}`),
    ...differences(earlier.identity, stage.identity).flatMap(({ path, before, after }) =>
      one("option", before, after, path.replace(/^with\./, "")),
    ),
    ...one("seed", earlier.seed, seed),
    ...one("code", earlier.codeHash, now.codeHash),
    ...(now.inputs ? changedInputs(earlier.inputs, now.inputs) : []),
    ...one("start", earlier.startFrom, now.startFrom),
  ];
  return found.length === 0 && earlier.outputsGone ? one("outputs", "there", "gone") : found;
}

/** By the stage they come from and their kind, since shards may have become more. */
function changedInputs(before: EarlierStage["inputs"], after: EarlierStage["inputs"]): Changed[] {
  const names = new Set([...before, ...after].map(nameOf));
  return [...names].flatMap((name) => {
    const hashes = (list: EarlierStage["inputs"]) =>
      list
        .filter((input) => nameOf(input) === name)
        .map(({ sha256 }) => sha256.slice(0, 12))
        .join(" ");
    const [old, now] = [hashes(before), hashes(after)];
    return old === now ? [] : [{ what: "input" as const, name, before: old || null, after: now || null }];
  });
}

function nameOf({ kind, stage }: EarlierStage["inputs"][number]): string {
  return stage === null ? `${kind} from outside` : `${kind} of ${stage}`;
}

/** `option steps 20 -> 40; code changed`, at most three and the number of the others. */
export function changedText(changes: readonly Changed[]): string {
  const shown = changes.slice(0, 3).map(sentence);
  return [...shown, ...(changes.length > 3 ? [`${changes.length - 3} more`] : [])].join("; ");
}

function sentence({ what, name, before, after }: Changed): string {
  const values = `${shortValue(before)} -> ${shortValue(after)}`;
  switch (what) {
    case "kind":
      return `stage kind ${values}`;
    case "option":
      return `option ${name} ${values}`;
    case "seed":
      return `seed ${values}`;
    case "code":
      return "code, or files from outside, changed";
    case "input":
      return `${name} changed`;
    case "start":
      return "it begins with another checkpoint";
    case "outputs":
      return "its outputs were removed";
  }
}
