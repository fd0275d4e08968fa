import type { ResolvedPipeline } from "../../src/config/types.ts";
import type { Existing } from "../../src/plan/types.ts";

/** What a plan finds where nothing has run, nothing is missing, and nothing was looked at. */
export function nothingBefore({ stages }: Pick<ResolvedPipeline, "stages">): Existing {
  return {
    codeHashes: Object.fromEntries(stages.map(({ name }) => [name, `code of ${name}`])),
    cached: new Map(),
    checkpoints: new Map(),
    earlier: {},
    starts: {},
    missing: new Set(),
    unsetVariables: new Set(),
    freeBytes: null,
    early: {},
    warnings: [],
  };
}
