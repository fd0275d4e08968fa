import type { EarlierStage } from "../../core/earlier-stage.ts";
import { workspace } from "../../core/paths.ts";
import { recordedConfig, recordedSpec } from "../../core/recorded.ts";
import { newestGenerations, newestOfShard } from "../../core/rows.ts";
import { missingFrom } from "../artifacts.ts";
import type { Database } from "../database.ts";
import { inputArtifacts } from "../inputs.ts";

/** A stage that succeeded with `cacheKey`, the newest one, with its outputs; null where there is none or outputs are gone. */
export async function findCachedStage(database: Database, cacheKey: string) {
  const stage = await database.stage.findFirst({
    where: {
      cacheKey,
      state: "SUCCEEDED",
      artifacts: { none: { kind: { not: "checkpoint" }, goneAt: { not: null } } },
    },
    orderBy: { endedAt: "desc" },
    include: {
      artifacts: {
        where: { kind: { not: "checkpoint" } },
        orderBy: [{ shard: "asc" }, { committedAt: "asc" }],
      },
    },
  });
  if (!stage) return null;
  const artifacts = stage.artifacts.map(({ kind, sha256 }) => ({ kind, sha256 }));
  return { run: stage.runId, stageId: stage.id, artifacts };
}

/** The artifacts of `kind` of the stage that made some last in a run of the pipeline named `pipeline`, shards in order. */
export async function findNewestOutputs(database: Database, pipeline: string, kind: string) {
  const there = { kind, goneAt: null };
  const stage = await database.stage.findFirst({
    where: {
      state: "SUCCEEDED",
      run: { pipeline },
      artifacts: { some: there, none: { kind, goneAt: { not: null } } },
    },
    orderBy: { endedAt: "desc" },
    include: { artifacts: { where: there, orderBy: [{ shard: "asc" }, { committedAt: "asc" }] } },
  });
  return stage && { run: stage.runId, artifacts: newestOfShard(stage.artifacts) };
}

interface Spec {
  version: number;
  identity: unknown;
  inputs: ({ kind: string; stage: string } | { kind: string; stage: null; sha256: string })[];
}

/** The newest stage of that name with outputs among the runs of the pipeline of that name; null where none has. */
export async function findEarlierStage(
  database: Database,
  pipeline: string,
  name: string,
): Promise<EarlierStage | null> {
  const stage = await database.stage.findFirst({
    where: { name, run: { pipeline }, state: { in: ["SUCCEEDED", "SKIPPED"] } },
    orderBy: [{ run: { createdAt: "desc" } }, { generation: "desc" }],
    include: { run: { select: { config: true } } },
  });
  if (!stage) return null;
  const spec = recordedSpec<Spec>(stage);
  const { seed } = recordedConfig<{ seed: number }>({ id: stage.runId, config: stage.run.config });
  const bound = await inputArtifacts(database, stage.id);
  const outputs = { stageId: stage.cachedFrom ?? stage.id, kind: { not: "checkpoint" } };
  return {
    run: stage.runId,
    kind: stage.kind,
    version: spec.version,
    identity: spec.identity,
    seed,
    codeHash: stage.codeHash,
    inputs: spec.inputs.flatMap((input): EarlierStage["inputs"] =>
      input.stage === null
        ? [{ kind: input.kind, sha256: input.sha256, stage: null }]
        : bound
            .filter(({ kind, stage: from }) => kind === input.kind && from === input.stage)
            .map(({ kind, stage: from, artifact }) => ({ kind, sha256: artifact.sha256, stage: from })),
    ),
    startFrom: await hashOf(database, stage.startFrom),
    outputsGone: (await database.artifact.count({ where: { ...outputs, goneAt: { not: null } } })) > 0,
  };
}

async function hashOf(database: Database, artifact: string | null): Promise<string | null> {
  if (artifact === null) return null;
  return (await database.artifact.findUnique({ where: { id: artifact } }))?.sha256 ?? null;
}

/**
 * Where a resume would go on: of the newest run with this configuration, when it has ended and stages of it have not
 * ended well, the newest checkpoint of each, by cache key.
 */
export async function findCheckpoints(
  database: Database,
  configHash: string,
): Promise<Map<string, { run: string; step: number }>> {
  const found = new Map<string, { run: string; step: number }>();
  const run = await database.run.findFirst({
    where: { configHash },
    orderBy: { createdAt: "desc" },
    include: { stages: { orderBy: { generation: "desc" } } },
  });
  if (!run || run.stages.some((stage) => stage.endedAt === null)) return found;
  const current = newestGenerations(run.stages);
  const undone = current.filter(({ state }) => state === "FAILED" || state === "CANCELLED");
  const keys = new Map(undone.flatMap(({ name, cacheKey }) => (cacheKey === null ? [] : [[name, cacheKey]])));
  const makers = run.stages.filter(({ name, cacheKey }) => cacheKey !== null && keys.get(name) === cacheKey);
  const rows = await database.artifact.findMany({
    where: { stageId: { in: makers.map(({ id }) => id) }, kind: "checkpoint", goneAt: null },
  });
  // As far as it can be seen from here: serve looks itself before it begins with one.
  const missing = new Set(missingFrom(rows, workspace()).map(({ id }) => id));
  for (const { id, stageId, step } of rows) {
    const key = makers.find((maker) => maker.id === stageId)?.cacheKey;
    if (!key || missing.has(id) || step === null || step <= (found.get(key)?.step ?? -1)) continue;
    found.set(key, { run: run.id, step });
  }
  return found;
}
