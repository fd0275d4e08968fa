import type { Happening } from "../../core/changes.ts";
import type { EventType } from "../../core/event-types.ts";
import { type Database, databaseNow } from "../database.ts";
import { commitHappenings } from "../happenings.ts";
import { keeping, liveOf } from "../stored-artifacts.ts";
import { decideGarbage, type GarbageArtifact, type GarbagePolicy } from "./decide.ts";
import { readGarbageFacts } from "./read.ts";

/**
 * Marks artifacts as gone, each run's with one event, before any byte is removed: from then on nothing takes them. A run
 * that took one over in the same moment is found by deciding once more, and what it needs is marked as there again.
 * @returns those that stay marked
 */
export async function markGarbage(
  database: Database,
  artifacts: readonly GarbageArtifact[],
  policy: GarbagePolicy,
  by: string,
): Promise<GarbageArtifact[]> {
  const now = await databaseNow(database);
  await commitHappenings(database, tellRuns(artifacts, "artifacts.removed", by, null, now));
  const facts = await readGarbageFacts(database);
  const marked = new Set(artifacts.map(({ id }) => id));
  const asBefore = facts.artifacts.map((row) => (marked.has(row.id) ? { ...row, gone: false } : row));
  const { kept } = decideGarbage({ ...facts, artifacts: asBefore }, policy);
  const needed = artifacts.filter(({ id }) => kept.has(id));
  await commitHappenings(database, tellRuns(needed, "artifacts.kept", by, now, null));
  return artifacts.filter(({ id }) => !kept.has(id));
}

function tellRuns(
  artifacts: readonly GarbageArtifact[],
  type: EventType,
  by: string,
  before: Date | null,
  goneAt: Date | null,
): Happening[] {
  const goneWhy = goneAt === null ? null : "removed";
  const byRun = new Map<string, GarbageArtifact[]>();
  for (const artifact of artifacts)
    byRun.set(artifact.runId, [...(byRun.get(artifact.runId) ?? []), artifact]);
  return [...byRun].map(([runId, rows]) => ({
    runId,
    type,
    data: { by, artifacts: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + Number(bytes), 0) },
    changes: [
      { table: "Artifact", all: { id: rows.map(({ id }) => id), goneAt: before }, set: { goneAt, goneWhy } },
      // Not found before, and now nobody needs it.
      ...(before === null
        ? [
            {
              table: "Artifact" as const,
              all: { id: rows.map(({ id }) => id), goneWhy: "missing" },
              set: { goneWhy },
            },
          ]
        : []),
    ],
  }));
}

/**
 * The last question before a folder's bytes go, asked once it is out of sight: no row says that it is there, and none of
 * the attempts that claim it may still say so.
 */
export async function isFree(database: Database, uri: string, claims: readonly string[]): Promise<boolean> {
  if ((await liveOf(database, claims)).size > 0) return false;
  return (await database.artifact.count({ where: { uri, ...keeping } })) === 0;
}

/** The same of an attempt's folder: it has ended, and no row says that a checkpoint lies in it. */
export async function isFreeAttempt(database: Database, attempt: string): Promise<boolean> {
  if ((await liveOf(database, [attempt])).size > 0) return false;
  const where = { attemptId: attempt, kind: "checkpoint", ...keeping };
  return (await database.artifact.count({ where })) === 0;
}
