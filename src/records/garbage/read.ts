import { type Database, databaseNow } from "../database.ts";
import type { GarbageFacts } from "./decide.ts";

/** All rows that a decision about what may be removed needs, as of one moment. */
export async function readGarbageFacts(database: Database): Promise<GarbageFacts> {
  return database.$transaction(
    async (writer) => {
      const now = await databaseNow(writer);
      const runs = await writer.run.findMany({ select: { id: true, createdAt: true } });
      const stages = await writer.stage.findMany({
        select: { id: true, runId: true, kind: true, cachedFrom: true, startFrom: true, endedAt: true },
      });
      const attempts = await writer.attempt.findMany({
        select: { id: true, endedAt: true, shard: { select: { stage: { select: { runId: true } } } } },
      });
      const artifacts = await writer.artifact.findMany({ omit: { meta: true, shard: true, step: true } });
      const ends = new Map<string, Date | null>();
      for (const { runId, endedAt } of stages) {
        const before = ends.get(runId);
        if (before === null) continue;
        ends.set(runId, endedAt === null ? null : before && before > endedAt ? before : endedAt);
      }
      return {
        now,
        runs: runs.map((run) => ({ ...run, endedAt: ends.get(run.id) ?? null })),
        stages,
        attempts: attempts.map(({ id, endedAt, shard }) => {
          return { id, runId: shard.stage.runId, ended: endedAt !== null };
        }),
        // What was only not found may be there again: its bytes stay while its run would keep them.
        artifacts: artifacts.map(({ goneAt, goneWhy, ...artifact }) => {
          return { ...artifact, gone: goneAt !== null && goneWhy !== "missing" };
        }),
      };
    },
    { isolationLevel: "RepeatableRead", timeout: 60_000 },
  );
}
