import type { AttemptRow, OpenRows, ShardRow, StageRow } from "../core/rows.ts";
import { type Database, databaseNow, type Writer } from "./database.ts";

/** What the reconciler decides from, and when it was read. */
export interface Snapshot extends OpenRows {
  /** The database's clock. */
  now: Date;
}

const openRun = { run: { stages: { some: { endedAt: null } } } };

/** Reads a snapshot in one repeatable-read transaction; undefined when no run has anything left to do. */
export async function readSnapshot(database: Database, cooldownMs: number): Promise<Snapshot | undefined> {
  const open = await database.stage.findFirst({ where: { endedAt: null }, select: { id: true } });
  if (!open) return undefined;
  return database.$transaction((writer) => readAll(writer, cooldownMs), { isolationLevel: "RepeatableRead" });
}

async function readAll(writer: Writer, cooldownMs: number): Promise<Snapshot> {
  const now = await databaseNow(writer);
  const stages = await writer.stage.findMany({
    where: openRun,
    orderBy: [{ runId: "asc" }, { position: "asc" }],
  });
  const runIds = [...new Set(stages.map((stage) => stage.runId))];
  const runs = await writer.run.findMany({
    where: { id: { in: runIds } },
    select: { id: true, config: true, priority: true },
  });
  const shards = await writer.shard.findMany({
    where: { stage: { endedAt: null } },
    orderBy: [{ stageId: "asc" }, { index: "asc" }],
  });
  const attempts = await writer.attempt.findMany({ where: { endedAt: null }, omit: { acknowledged: true } });
  const cached = stages.flatMap((stage) => stage.cachedFrom ?? []);
  const forked = stages.flatMap((stage) => stage.startFrom ?? []);
  const artifacts = await writer.artifact.findMany({
    where: {
      OR: [{ runId: { in: runIds } }, { stageId: { in: cached } }, { id: { in: forked } }],
      goneAt: null,
    },
    orderBy: [{ shard: "asc" }, { committedAt: "asc" }],
  });
  const gates = await writer.gate.findMany({ where: { stage: { runId: { in: runIds } } } });
  const nodes = await writer.node.findMany({ orderBy: { id: "asc" } });
  const leases = await writer.lease.findMany();
  const faults = await writer.attempt.findMany({
    where: { cause: { in: ["NODE", "NPU"] }, endedAt: { gt: new Date(now.getTime() - cooldownMs) } },
    select: { nodeId: true, endedAt: true },
  });
  return {
    now,
    runs,
    stages: stages as StageRow[],
    shards: shards as ShardRow[],
    attempts: attempts as AttemptRow[],
    artifacts,
    gates,
    nodes,
    leases,
    faults: faults.flatMap(({ nodeId, endedAt }) => (nodeId && endedAt ? [{ nodeId, endedAt }] : [])),
  };
}
