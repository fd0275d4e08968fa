import { existsSync } from "node:fs";
import type { Change } from "../core/changes.ts";
import { artifactUri, checkpointUri, isHash, placePath } from "../core/places.ts";
import type { ArtifactRow } from "../core/rows.ts";
import { prunedChanges } from "./checkpoints.ts";
import { type Database, databaseNow, type Writer } from "./database.ts";
import { commitHappenings } from "./happenings.ts";
import type { EventLine, LiveAttempt } from "./ingest.ts";
import { inputArtifacts } from "./inputs.ts";

/** An `artifact` or `checkpoint` line. Where the bytes lie is derived from it, never taken from it. */
export interface CommitLine extends EventLine {
  type: "artifact" | "checkpoint";
  sha256: string;
  bytes: number;
  kind?: string;
  step?: number;
  cursor?: unknown;
  meta?: unknown;
}

/** Names of what a stage makes. */
const kindForm = /^[A-Za-z][A-Za-z0-9_-]{0,99}$/;

/** The line, or the warning in its place when nothing of this workspace can be what it announces. */
export function soundLine(line: EventLine): EventLine {
  if (line.type !== "artifact" && line.type !== "checkpoint") return line;
  const fault = faultOf(line as CommitLine);
  if (fault === undefined) return line;
  const message = `${line.type}: ${fault}; nothing is committed by this line`;
  return { type: "warning", at: line.at, code: "output_refused", message };
}

function faultOf({ type, sha256, bytes, kind, step }: CommitLine): string | undefined {
  const seen = (value: unknown) => (JSON.stringify(value) ?? "nothing").slice(0, 100);
  const count = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isHash(sha256)) return `sha256 is ${seen(sha256)}, expected 64 hexadecimal digits`;
  if (!count(bytes)) return `bytes is ${seen(bytes)}, expected a whole number`;
  if (type === "checkpoint")
    return count(step) ? undefined : `step is ${seen(step)}, expected a whole number`;
  if (typeof kind === "string" && kind !== "checkpoint" && kindForm.test(kind)) return undefined;
  return `kind is ${seen(kind)}, expected the name of an output`;
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
    uri:
      line.type === "checkpoint" && !attempt.far
        ? checkpointUri(attempt.id, Number(line.step))
        : artifactUri(line.sha256),
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
  home: string | undefined,
): Promise<string[]> {
  if (home === undefined) return [];
  const missing = artifacts.filter(({ uri }) => {
    const path = placePath(home, uri);
    return path !== undefined && !existsSync(path);
  });
  if (missing.length === 0) return [];
  const now = await databaseNow(database);
  for (const { id, runId, stageId } of missing) {
    const change: Change = { table: "Artifact", id, expect: { goneAt: null }, set: { goneAt: now } };
    await commitHappenings(database, [{ runId, stageId, type: "artifact.gone", changes: [change] }]);
  }
  return missing.map(({ id }) => id);
}
