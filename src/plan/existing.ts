import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { configHash } from "../config/config-hash.ts";
import type { ResolvedPipeline } from "../config/types.ts";
import type { HashedInput } from "../core/cache-key.ts";
import type { EarlierStage } from "../core/earlier-stage.ts";
import { workspace } from "../core/paths.ts";
import { headOf } from "../core/variables.ts";
import { codeHash } from "./code-hash.ts";
import { lookEarly } from "./early.ts";
import { isThere } from "./outside.ts";
import { type PlanOptions, planPipeline, stageKey } from "./plan.ts";
import type { CachedStage, Existing } from "./types.ts";
import { neededVariables } from "./variables.ts";

/** What planning asks the records; without records nothing has run before. */
export interface PlanRecords {
  cachedStage(cacheKey: string): Promise<CachedStage | null>;
  /** Of the newest ended run of this configuration, if it did not end well: checkpoints by cache key. */
  checkpoints(configHash: string): Promise<Existing["checkpoints"]>;
  /** The newest stage of this pipeline and name that has outputs. */
  earlierStage(pipeline: string, stage: string): Promise<EarlierStage | null>;
}

export interface GatherOptions {
  /** Of a fork. */
  starts?: Existing["starts"];
  /** What is to be planned; stages that it skips or leaves out are not looked at. */
  scope?: Pick<PlanOptions, "from" | "until">;
  /** Hears what is looked at where that takes more than a second. */
  slow?: (text: string) => void;
}

/** Looks at files, environment and records; everything that `planPipeline` must know beside the pipeline. */
export async function gatherExisting(
  pipeline: ResolvedPipeline,
  records: PlanRecords | null,
  { starts = {}, scope = {}, slow }: GatherOptions = {},
): Promise<Existing> {
  const codeHashes = Object.fromEntries(pipeline.stages.map((stage) => [stage.name, codeHash(stage)]));
  const outside = pipeline.stages.flatMap(({ inputs, external }) => [
    ...inputs.flatMap((input) => (input.stage === null ? [input.uri] : [])),
    ...external,
  ]);
  const heads = outside.flatMap((address) => headOf(address) ?? []);
  const variables = [...pipeline.stages.flatMap(neededVariables), ...heads];
  const existing: Existing = {
    codeHashes,
    cached: records ? await cachedStages(pipeline, codeHashes, records, starts) : new Map(),
    checkpoints: records ? await records.checkpoints(configHash(pipeline)) : new Map(),
    earlier: records ? await earlierStages(pipeline, records) : {},
    starts,
    missing: new Set(outside.filter((address) => !isThere(address))),
    unsetVariables: new Set(variables.filter((name) => !process.env[name])),
    freeBytes: pipeline.cluster.engine === "process" ? freeBytes(workspace()) : null,
    early: {},
    warnings: [],
  };
  const { stages } = planPipeline(pipeline, existing, scope);
  const open = new Set(stages.flatMap(({ name, action }) => (action === "SKIP" ? [] : [name])));
  return { ...existing, ...(await lookEarly(pipeline, open, existing.missing, slow)) };
}

/** Of the file system that a folder lies on, or will lie on. */
function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    const above = dirname(folder);
    return above === folder ? null : freeBytes(above);
  }
}

async function earlierStages(pipeline: ResolvedPipeline, records: PlanRecords): Promise<Existing["earlier"]> {
  const found = await Promise.all(
    pipeline.stages.map(async ({ name }) => [name, await records.earlierStage(pipeline.name, name)] as const),
  );
  return Object.fromEntries(found.flatMap(([name, stage]) => (stage ? [[name, stage]] : [])));
}

/** Walks the stages in order: the key of one is known only when the outputs of those before it are. */
async function cachedStages(
  pipeline: ResolvedPipeline,
  codeHashes: Readonly<Record<string, string>>,
  records: PlanRecords,
  starts: Existing["starts"],
): Promise<Map<string, CachedStage>> {
  const cached = new Map<string, CachedStage>();
  const outputs = new Map<string, readonly HashedInput[]>();
  for (const stage of pipeline.stages) {
    const key = stageKey(stage, pipeline.seed, { codeHashes, starts }, outputs);
    const found = key === null ? null : await records.cachedStage(key);
    if (key === null || found === null) continue;
    cached.set(key, found);
    outputs.set(stage.name, found.artifacts);
  }
  return cached;
}
