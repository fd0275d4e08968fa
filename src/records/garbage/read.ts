import { type Database, databaseNow, type Writer } from "../database.ts";
import type { GarbageArtifact, GarbageFacts } from "./decide.ts";

/**
 * All rows that a decision about what may be removed needs, as of one moment.
 * @param folders names of attempts that have a folder: of those that ended no others are read
 */
export async function readGarbageFacts(
  database: Database,
  folders: readonly string[] = [],
): Promise<GarbageFacts> {
  return database.$transaction(
    async (writer) => {
      const now = await databaseNow(writer);
      const runs = await writer.run.findMany({ select: { id: true, createdAt: true } });
      const stages = await writer.stage.findMany({
        select: { id: true, runId: true, kind: true, cachedFrom: true, startFrom: true, endedAt: true },
      });
      const attempts = await writer.$queryRaw<GarbageFacts["attempts"]>`
        select a.id, st."runId", a."endedAt" is not null as ended
          from (select id from "Attempt" where "endedAt" is null union select unnest(${folders}::text[])) as f
          join "Attempt" a on a.id = f.id join "Shard" sh on sh.id = a."shardId" join "Stage" st on st.id = sh."stageId"`;
      const artifacts = await artifactFacts(writer);
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
        attempts,
        artifacts,
      };
    },
    { isolationLevel: "RepeatableRead", timeout: 60_000 },
  );
}

const pageSize = 20_000;

/** All artifacts, page by page, with texts that many share kept once: there may be hundreds of thousands. */
async function artifactFacts(writer: Writer): Promise<GarbageArtifact[]> {
  const known = new Map<string, string>();
  const once = (text: string): string => {
    if (!known.has(text)) known.set(text, text);
    return known.get(text)!;
  };
  const all: GarbageArtifact[] = [];
  for (let after = ""; ; ) {
    // What was only not found may be there again: its bytes stay while its run would keep them.
    const page = await writer.$queryRaw<GarbageArtifact[]>`
      select id, kind, sha256, uri, bytes, "runId", "stageId", "attemptId", parents,
             "goneAt" is not null and "goneWhy" is distinct from 'missing' as gone
        from "Artifact" where id > ${after} order by id limit ${pageSize}::int`;
    for (const row of page) {
      const { kind, runId, stageId, attemptId, parents } = row;
      const shared = { kind: once(kind), runId: once(runId), stageId: once(stageId) };
      all.push({ ...row, ...shared, attemptId: once(attemptId), parents: parents.map(once) });
    }
    if (page.length < pageSize) return all;
    after = page.at(-1)!.id;
  }
}
