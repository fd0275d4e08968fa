import type { Database } from "../database.ts";

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

/** The newest committed artifact of `kind` that a run of the pipeline named `pipeline` made. */
export async function findNewestArtifact(database: Database, pipeline: string, kind: string) {
  return database.artifact.findFirst({
    where: { kind, goneAt: null, run: { pipeline } },
    orderBy: { committedAt: "desc" },
    select: { uri: true, runId: true },
  });
}
