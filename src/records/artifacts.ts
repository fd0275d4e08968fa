import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Change } from "../core/changes.ts";
import type { ArtifactRow } from "../core/rows.ts";
import { prunedChanges } from "./checkpoints.ts";
import { type Database, databaseNow, type Writer } from "./database.ts";
import { commitHappenings } from "./happenings.ts";
import type { EventLine, LiveAttempt } from "./ingest.ts";
import { inputArtifacts } from "./inputs.ts";

/** An `artifact` or `checkpoint` line. `uri` says where the folder stays; without it, at `path`. */
export interface CommitLine extends EventLine {
  type: "artifact" | "checkpoint";
  path: string;
  uri?: string;
  sha256: string;
  bytes: number;
  kind?: string;
  step?: number;
  cursor?: unknown;
  meta?: unknown;
}

/** Inserts of what the lines commit, by line. A line whose artifact is there already gives none. */
export async function artifactChanges(
  writer: Writer,
  attempt: LiveAttempt,
  lines: CommitLine[],
  now: Date,
): Promise<Map<CommitLine, Change[]>> {
  const changes = new Map<CommitLine, Change[]>();
  if (lines.length === 0) return changes;
  const rows = new Map(lines.map((line) => [line, artifactRow(attempt, line, now)]));
  const ids = [...rows.values()].map((row) => row.id);
  const known = await writer.artifact.findMany({ where: { id: { in: ids } }, select: { id: true } });
  const seen = new Set(known.map((row) => row.id));
  const madeFrom = lines.some((line) => line.type === "artifact")
    ? [
        ...(await inputArtifacts(writer, attempt.stageId)).map(({ artifact }) => artifact.id),
        // Of a fork: what it began with.
        ...(attempt.startFrom ? [attempt.startFrom] : []),
      ]
    : [];
  for (const [line, row] of rows) {
    if (seen.has(row.id)) {
      changes.set(line, []);
      continue;
    }
    seen.add(row.id);
    const parents = line.type === "artifact" ? madeFrom : attempt.resumeFrom ? [attempt.resumeFrom] : [];
    changes.set(line, [{ table: "Artifact", insert: { ...row, parents } }]);
  }
  const newest = [...changes].findLast(([line, made]) => line.type === "checkpoint" && made.length > 0);
  if (newest) {
    const fresh = [...rows].filter(([line]) => changes.get(line)?.length).map(([, row]) => row);
    newest[1].push(...(await prunedChanges(writer, attempt, fresh, now)));
  }
  return changes;
}

function artifactRow(attempt: LiveAttempt, line: CommitLine, now: Date): ArtifactRow {
  const kind = line.type === "checkpoint" ? "checkpoint" : String(line.kind);
  const meta = line.type === "checkpoint" ? { cursor: line.cursor ?? {} } : (line.meta ?? {});
  return {
    id: `${attempt.id}-${kind}-${line.sha256.slice(0, 12)}`,
    kind,
    sha256: line.sha256,
    uri: line.uri ?? pathToFileURL(line.path).href,
    bytes: BigInt(line.bytes),
    meta,
    parents: [],
    runId: attempt.runId,
    stageId: attempt.stageId,
    attemptId: attempt.id,
    shard: attempt.shard,
    step: line.type === "checkpoint" ? Number(line.step) : null,
    committedAt: now,
    goneAt: null,
  };
}

/**
 * Looks for the folders of artifacts and records those that are no longer where their row says: somebody removed them.
 * Folders of this machine are looked at; what lies elsewhere is taken at its row's word.
 * @returns ids of what is missing
 */
export async function markMissing(
  database: Database,
  artifacts: readonly Pick<ArtifactRow, "id" | "uri" | "runId" | "stageId">[],
): Promise<string[]> {
  const missing = artifacts.filter(({ uri }) => uri.startsWith("file://") && !existsSync(fileURLToPath(uri)));
  if (missing.length === 0) return [];
  const now = await databaseNow(database);
  for (const { id, runId, stageId } of missing) {
    const change: Change = { table: "Artifact", id, expect: { goneAt: null }, set: { goneAt: now } };
    await commitHappenings(database, [{ runId, stageId, type: "artifact.gone", changes: [change] }]);
  }
  return missing.map(({ id }) => id);
}
