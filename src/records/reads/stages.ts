import { newestGenerations } from "../../core/rows.ts";
import type { Artifact, Attempt, Gate, Prisma, PrismaClient, Shard, Stage } from "../generated/client.ts";

/** A shard with its newest attempt, which is the live one when there is one. */
export interface ShardRow extends Shard {
  attempt: Attempt | null;
}

/** A stage with everything a view shows of it. Checkpoints are left out of `artifacts`; the newest is counted apart. */
export interface StageRow extends Stage {
  shards: ShardRow[];
  gates: Gate[];
  artifacts: Artifact[];
  checkpoint: Artifact | null;
  /** The run whose outputs a SKIPPED stage uses. */
  cachedRun: string | null;
}

const within = {
  shards: { orderBy: { index: "asc" }, include: { attempts: { orderBy: { epoch: "desc" }, take: 1 } } },
  gates: { orderBy: [{ metric: "asc" }, { measuredAt: "asc" }] },
  artifacts: { where: { kind: { not: "checkpoint" } }, orderBy: { committedAt: "asc" } },
} satisfies Prisma.StageInclude;

/** Stages of the highest generation of each name, in the order of the pipeline, by run id. */
export async function currentStages(db: PrismaClient, runIds: string[]): Promise<Map<string, StageRow[]>> {
  const rows = await db.stage.findMany({
    where: { runId: { in: runIds } },
    orderBy: [{ position: "asc" }, { name: "asc" }, { generation: "desc" }],
    include: within,
  });
  const current = newestGenerations(rows);
  const cached = await cacheSources(db, current);
  const checkpoints = await newestCheckpoints(db, current);
  const byRun = new Map<string, StageRow[]>(runIds.map((id) => [id, []]));
  for (const { shards, ...row } of current) {
    const source = row.cachedFrom === null ? undefined : cached.get(row.cachedFrom);
    byRun.get(row.runId)?.push({
      ...row,
      result: row.result ?? source?.result ?? null,
      artifacts: row.artifacts.length > 0 ? row.artifacts : (source?.artifacts ?? []),
      shards: shards.map(({ attempts, ...shard }) => ({ ...shard, attempt: attempts[0] ?? null })),
      checkpoint: checkpoints.get(row.id) ?? null,
      cachedRun: source?.runId ?? null,
    });
  }
  return byRun;
}

/** The stages that SKIPPED stages took their outputs from, by id: a view shows their numbers and artifacts. */
async function cacheSources(
  db: PrismaClient,
  stages: Stage[],
): Promise<Map<string, Stage & { artifacts: Artifact[] }>> {
  const ids = stages.flatMap((stage) => (stage.cachedFrom === null ? [] : [stage.cachedFrom]));
  if (ids.length === 0) return new Map();
  const rows = await db.stage.findMany({
    where: { id: { in: ids } },
    include: { artifacts: within.artifacts },
  });
  return new Map(rows.map((row) => [row.id, row]));
}

async function newestCheckpoints(db: PrismaClient, stages: Stage[]): Promise<Map<string, Artifact>> {
  const rows = await db.artifact.findMany({
    where: { stageId: { in: stages.map((stage) => stage.id) }, kind: "checkpoint", goneAt: null },
    orderBy: [{ stageId: "asc" }, { step: "desc" }],
    distinct: ["stageId"],
  });
  return new Map(rows.map((row) => [row.stageId, row]));
}

/** Every attempt of a stage (all its shards), oldest first. */
export async function attemptsOf(
  db: PrismaClient,
  stageId: string,
): Promise<(Attempt & { index: number })[]> {
  const rows = await db.attempt.findMany({
    where: { shard: { stageId } },
    orderBy: [{ dispatchedAt: "asc" }, { epoch: "asc" }],
    include: { shard: { select: { index: true } } },
  });
  return rows.map(({ shard, ...row }) => ({ ...row, index: shard.index }));
}

/** Every attempt of a run, of all its stages and their generations, oldest first. */
export async function attemptsOfRun(db: PrismaClient, runId: string): Promise<Attempt[]> {
  return db.attempt.findMany({
    where: { shard: { stage: { runId } } },
    orderBy: [{ dispatchedAt: "asc" }, { id: "asc" }],
  });
}
