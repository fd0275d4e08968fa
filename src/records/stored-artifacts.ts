import { placePath } from "../core/places.ts";
import type { Database } from "./database.ts";
import { fenced, readLiveAttempt } from "./ingest.ts";

/** Folder in the workspace `home` of the newest committed artifact of that hash. */
export async function artifactFolder(
  database: Database,
  home: string,
  sha256: string,
): Promise<string | undefined> {
  const row = await database.artifact.findFirst({
    where: { sha256, goneAt: null },
    orderBy: { committedAt: "desc" },
    select: { uri: true },
  });
  return row === null ? undefined : placePath(home, row.uri);
}

/** Whether an agent may send files of an attempt: on the same terms as its lines. @throws LegaloneError E_NODE_TAKEN */
export async function mayUpload(
  database: Database,
  attempt: string,
  epoch: number,
  instance: string | undefined,
): Promise<boolean> {
  return fenced(await readLiveAttempt(database, attempt, epoch), instance) !== undefined;
}

/** Whether the attempt's node has a folder of its own, so that what it commits is uploaded. */
export async function isFarAttempt(database: Database, attempt: string): Promise<boolean> {
  const rows = await database.$queryRaw<object[]>`
    select 1 from "Attempt" a join "Node" n on n.id = a."nodeId"
     where a.id = ${attempt} and n.info ->> 'store' = 'far'`;
  return rows.length > 0;
}

/** Those of these attempts that have not ended. */
export async function liveOf(database: Database, attempts: readonly string[]): Promise<Set<string>> {
  const rows = await database.attempt.findMany({
    where: { id: { in: [...attempts] }, endedAt: null },
    select: { id: true },
  });
  return new Set(rows.map(({ id }) => id));
}

/** Hashes of an attempt's checkpoints that are gone for good. */
export async function goneCheckpoints(database: Database, attempt: string): Promise<string[]> {
  const rows = await database.artifact.findMany({
    where: {
      attemptId: attempt,
      kind: "checkpoint",
      goneAt: { not: null },
      OR: [{ goneWhy: null }, { goneWhy: { not: "missing" } }],
    },
    select: { sha256: true },
  });
  return rows.map(({ sha256 }) => sha256);
}

/** A row that keeps bytes: they are there, or may be there again. */
export const keeping = { OR: [{ goneAt: null }, { goneWhy: "missing" }] };

/** Whether a row keeps something of this hash. */
export async function isKept(database: Database, sha256: string): Promise<boolean> {
  return (await database.artifact.count({ where: { sha256, ...keeping } })) > 0;
}
