import type { Happening } from "../../core/changes.ts";
import type { EventType } from "../../core/event-types.ts";
import { type Database, databaseNow } from "../database.ts";
import { commitHappenings } from "../happenings.ts";
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
  const byRun = new Map<string, GarbageArtifact[]>();
  for (const artifact of artifacts)
    byRun.set(artifact.runId, [...(byRun.get(artifact.runId) ?? []), artifact]);
  return [...byRun].map(([runId, rows]) => ({
    runId,
    type,
    data: { by, artifacts: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + Number(bytes), 0) },
    changes: [{ table: "Artifact", all: { id: rows.map(({ id }) => id), goneAt: before }, set: { goneAt } }],
  }));
}

/** Whether no row says any more that a folder is there; `uris` are the addresses that rows have it by. */
export async function isUnnamed(database: Database, uris: string[]): Promise<boolean> {
  return (await database.artifact.count({ where: { uri: { in: uris }, goneAt: null } })) === 0;
}
