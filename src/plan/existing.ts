import type { ResolvedPipeline } from "../config/types.ts";
import type { HashedInput } from "../core/cache-key.ts";
import { codeHash } from "./code-hash.ts";
import { isThere } from "./outside.ts";
import { stageKey } from "./plan.ts";
import type { CachedStage, Existing } from "./types.ts";
import { neededVariables } from "./variables.ts";

/** What planning asks the records; without records nothing has run before. */
export interface PlanRecords {
  cachedStage(cacheKey: string): Promise<CachedStage | null>;
}

/** Looks at files, environment and records; everything that `planPipeline` must know beside the pipeline. */
export async function gatherExisting(
  pipeline: ResolvedPipeline,
  records: PlanRecords | null,
  checkpoints: Existing["checkpoints"] = {},
): Promise<Existing> {
  const codeHashes = Object.fromEntries(pipeline.stages.map((stage) => [stage.name, codeHash(stage)]));
  const outside = pipeline.stages.flatMap(({ inputs, external }) => [
    ...inputs.flatMap((input) => (input.stage === null ? [input.uri] : [])),
    ...external,
  ]);
  const variables = pipeline.stages.flatMap(neededVariables);
  return {
    codeHashes,
    cached: records ? await cachedStages(pipeline, codeHashes, records) : new Map(),
    checkpoints,
    missing: new Set(outside.filter((address) => !isThere(address))),
    unsetVariables: new Set(variables.filter((name) => !process.env[name])),
  };
}

/** Walks the stages in order: the key of one is known only when the outputs of those before it are. */
async function cachedStages(
  pipeline: ResolvedPipeline,
  codeHashes: Readonly<Record<string, string>>,
  records: PlanRecords,
): Promise<Map<string, CachedStage>> {
  const cached = new Map<string, CachedStage>();
  const outputs = new Map<string, readonly HashedInput[]>();
  for (const stage of pipeline.stages) {
    const key = stageKey(stage, pipeline.seed, codeHashes, outputs);
    const found = key === null ? null : await records.cachedStage(key);
    if (key === null || found === null) continue;
    cached.set(key, found);
    outputs.set(stage.name, found.artifacts);
  }
  return cached;
}
