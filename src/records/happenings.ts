import type { Change, Expect, Happening } from "../core/changes.ts";
import type { AttemptRow } from "../core/rows.ts";
import { type Database, Prisma, sqlState, type Writer } from "./database.ts";

/** A guarded change met a row in another state or epoch: nothing of the transaction was applied. */
export class StaleWrite extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = "StaleWrite";
  }
}

/** The reconciler that wrote is no longer the one that decides: nothing was applied. */
export class LostOffice extends Error {
  constructor(cause: unknown) {
    super("another serve decides now", { cause });
    this.name = "LostOffice";
  }
}

/** A bell to ring after the transaction; told by the outbox so that none is forgotten. */
export interface Bell {
  topic: string;
  /** Unique within its topic. */
  key: string;
}

/** How far an attempt's file was read, and whose file it is. */
interface Reported {
  acknowledged: number;
  instance: string | null;
}

/** A guarded change of an attempt that is not in the log. */
export interface QuietAttempt {
  table: "Attempt";
  id: string;
  expect: Expect<AttemptRow & Reported>;
  set: Partial<AttemptRow & Reported>;
}

/** A change that is not in the log: signs of life of an attempt, and which runs are in quarantine. */
export type QuietChange =
  | QuietAttempt
  | { table: "Quarantine"; id: string; remove: true }
  | { table: "Quarantine"; insert: { id: string; since: Date; error: string; tries: number; retryAt: Date } };

/** One point of a curve. */
export interface MetricRow {
  attemptId: string;
  stageId: string;
  name: string;
  step: number;
  value: number;
  at: string;
}

/** What is written together. */
export interface Written {
  bells?: readonly Bell[];
  /** Changes that no event tells, before all others: signs of life, and how far a file was read. */
  quiet?: readonly QuietChange[];
  metrics?: readonly MetricRow[];
  /** Term of the reconciler that writes; left out by everybody else. */
  term?: number;
}

/**
 * Writes changes and the events that tell them, in order, in one round trip: all or nothing. The function
 * `apply_happenings` of the database does it (prisma/migrations).
 * This is the only way rows of the log's tables change (besides an attempt's signs of life while it is live).
 * @throws StaleWrite, LostOffice; a transaction around it must be rolled back
 */
export async function writeHappenings(
  writer: Writer,
  happenings: readonly Happening[],
  { bells = [], quiet = [], metrics = [], term }: Written = {},
): Promise<void> {
  if (happenings.length + bells.length + quiet.length + metrics.length === 0) return;
  const told = happenings.flatMap((happening) => happening.changes.map(toColumns));
  const [changes, events] = [json([...quiet, ...told]), json(happenings.map(toEvent))];
  try {
    await writer.$executeRaw`
      select apply_happenings(${changes}::jsonb, ${events}::jsonb, ${json(metrics)}::jsonb, ${json(bells)}::jsonb, ${term ?? null}::int)`;
  } catch (error) {
    const { code, message } = sqlState(error);
    if (code === "LG001") throw new StaleWrite(message, error);
    if (code === "LG002") throw new LostOffice(error);
    throw error;
  }
}

/**
 * Applies happenings on their own and puts the bells into the outbox.
 * @returns undefined, or with nothing changed what was stale
 * @throws LostOffice
 */
export async function commitHappenings(
  database: Database,
  happenings: readonly Happening[],
  written: Written = {},
): Promise<string | undefined> {
  try {
    await writeHappenings(database, happenings, written);
    return undefined;
  } catch (error) {
    if (error instanceof StaleWrite || isUniqueConflict(error)) return staleness(error);
    throw error;
  }
}

/** Puts bells into the outbox; one already there is enough. Wakes the listening serve on commit. */
export async function addBells(writer: Writer, bells: readonly Bell[]): Promise<void> {
  await writeHappenings(writer, [], { bells });
}

/** Two transactions inserted the same row: the one that lost is stale. */
export function isUniqueConflict(error: unknown): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return false;
  return error.code === "P2002" || sqlState(error).code === "23505";
}

/** In words for the log: the row, and the change that it did not fit. */
function staleness(error: unknown): string {
  const { message, detail } = sqlState(error instanceof StaleWrite ? error.cause : error);
  return detail === undefined ? message : `${message}: ${detail}`;
}

/** A new attempt has acknowledged nothing: the database's own defaults do not reach a whole row. */
function toColumns(change: Change): object {
  if (!("insert" in change) || change.table !== "Attempt") return change;
  return { ...change, insert: { acknowledged: 0, ...change.insert } };
}

function toEvent({ runId, stageId, attemptId, type, data = {}, changes }: Happening): object {
  const told = changes.length > 0 ? { ...data, changes: changes.map(withoutSpec) } : data;
  return { runId, stageId: stageId ?? null, attemptId: attemptId ?? null, type, data: told };
}

/** A stage's spec never changes and is large: the log leaves it out. */
function withoutSpec(change: Change): object {
  if (change.table !== "Stage" || !("insert" in change)) return change;
  const { spec: _, ...insert } = change.insert;
  return { ...change, insert };
}

/** JSON text: dates as ISO 8601, big integers as numbers. */
function json(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner));
}

/** The same as plain values, for columns of Prisma's. */
export function toJson(value: unknown): Prisma.InputJsonObject {
  return JSON.parse(json(value)) as Prisma.InputJsonObject;
}
