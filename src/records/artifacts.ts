import type { Change, Happening } from "../core/changes.ts";
import { artifactUri, checkpointUri, isHash, lookFor } from "../core/places.ts";
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
    goneWhy: null,
  };
}

type Looked = Pick<ArtifactRow, "id" | "uri" | "runId" | "stageId" | "goneAt" | "goneWhy">;

/** Those that are not in the workspace `home`, by a look that changes nothing. Without a workspace none is. */
export function missingFrom<T extends Pick<ArtifactRow, "uri">>(
  rows: readonly T[],
  home: string | undefined,
): T[] {
  return home === undefined ? [] : rows.filter(({ uri }) => lookFor(home, uri) === "missing");
}

/**
 * Serve's look at what the records name in its own workspace: what is not there is marked, and a mark of what is there
 * again is taken back. Nobody else marks by looking: other machines see less.
 * @returns ids of what is gone now
 */
export async function lookAtPlaces(
  database: Database,
  rows: readonly Looked[],
  home: string | undefined,
): Promise<Set<string>> {
  const there = rows.filter(({ goneAt }) => goneAt === null);
  const marked = rows.filter(({ goneAt, goneWhy }) => goneAt !== null && goneWhy === "missing");
  const back = home === undefined ? [] : marked.filter(({ uri }) => lookFor(home, uri) === "there");
  const missing = missingFrom(there, home);
  const now = missing.length > 0 ? await databaseNow(database) : null;
  const told = [
    ...missing.map((row) => ({
      row,
      type: "artifact.gone" as const,
      expect: { goneAt: null },
      set: { goneAt: now, goneWhy: "missing" },
    })),
    ...back.map((row) => ({
      row,
      type: "artifact.back" as const,
      expect: { goneWhy: "missing" },
      set: { goneAt: null, goneWhy: null },
    })),
  ];
  for (const { row, type, expect, set } of told) {
    const change: Change = { table: "Artifact", id: row.id, expect, set };
    await commitHappenings(database, [{ runId: row.runId, stageId: row.stageId, type, changes: [change] }]);
  }
  const isBack = new Set(back.map(({ id }) => id));
  const gone = rows.filter((row) => row.goneAt !== null && !isBack.has(row.id));
  return new Set([...missing, ...gone].map(({ id }) => id));
}

/** Marks what is damaged: nothing takes it any more, and a resume makes it again. */
export async function giveUp(database: Database, rows: readonly Looked[]): Promise<void> {
  const goneAt = await databaseNow(database);
  for (const { id, runId, stageId } of rows) {
    const set = { goneAt, goneWhy: "damaged" };
    const change: Change = { table: "Artifact", id, expect: { goneAt: null }, set };
    await commitHappenings(database, [
      { runId, stageId, type: "artifact.gone", data: { why: "damaged" }, changes: [change] },
    ]);
  }
}

/** Takes back marks of what is there again, whichever run it belongs to. */
export async function lookForLost(database: Database, home: string): Promise<void> {
  const rows = await database.artifact.findMany({ where: { goneWhy: "missing" } });
  await lookAtPlaces(database, rows, home);
}

/**
 * What a decision is about to bind and is not there: the inputs of a stage that becomes ready, and the checkpoint of its
 * first attempt, which a person asked for. It is marked, so that the next decision does without. What a later attempt goes
 * on from is left to its worker: without a person, nothing is begun again from its beginning.
 * @returns in words, undefined when all is there
 */
export async function missingOfDecision(
  database: Database,
  happenings: readonly Happening[],
  home: string | undefined,
): Promise<string | undefined> {
  if (home === undefined) return undefined;
  const changes = happenings.flatMap((happening) => happening.changes);
  const points = changes.flatMap((change) =>
    change.table === "Attempt" && "insert" in change && change.insert.epoch === 1 && change.insert.resumeFrom
      ? [change.insert.resumeFrom]
      : [],
  );
  const stages = happenings.flatMap(({ type, stageId }) =>
    type === "stage.ready" && stageId ? [stageId] : [],
  );
  const rows: Looked[] =
    points.length === 0
      ? []
      : await database.artifact.findMany({ where: { id: { in: points }, goneAt: null } });
  for (const stage of stages)
    rows.push(...(await inputArtifacts(database, stage)).map(({ artifact }) => artifact));
  const there = rows.filter(({ goneAt }) => goneAt === null);
  const gone = await lookAtPlaces(database, there, home);
  return gone.size === 0 ? undefined : `gone: ${[...gone].join(", ")}`;
}
