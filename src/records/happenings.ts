import type { Change, Happening } from "../core/changes.ts";
import type { TableName } from "../core/rows.ts";
import { type Database, Prisma, type Writer } from "./database.ts";

/** A guarded change met a row in another state or epoch: nothing of the transaction was applied. */
export class StaleWrite extends Error {
  readonly change: Change;
  constructor(change: Change) {
    super(`stale write to ${change.table} ${"insert" in change ? change.insert.id : change.id}`);
    this.name = "StaleWrite";
    this.change = change;
  }
}

/** A bell to ring after the transaction; told by the outbox so that none is forgotten. */
export interface Bell {
  topic: string;
  /** Unique within its topic. */
  key: string;
}

/** Rows have JSON columns, where SQL's null and JSON's null differ. */
const jsonColumns: Record<TableName, readonly string[]> = {
  Stage: ["spec", "result"],
  Shard: ["result"],
  Attempt: ["result"],
  Artifact: ["meta"],
  Gate: [],
  Lease: [],
};

interface Delegate {
  createMany(query: { data: object[] }): Promise<unknown>;
  updateMany(query: { where: object; data: object }): Promise<{ count: number }>;
  deleteMany(query: { where: object }): Promise<unknown>;
}

/**
 * Writes changes and the events that tell them, in order, in the caller's transaction.
 * This is the only way rows of the log's tables change (besides an attempt's signs of life while it is live).
 * @throws StaleWrite, on which the transaction must be rolled back
 */
export async function writeHappenings(writer: Writer, happenings: readonly Happening[]): Promise<void> {
  const changes = happenings.flatMap((happening) => happening.changes);
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i]!;
    const table = delegate(writer, change.table);
    if ("insert" in change) {
      const rows = [toColumns(change.table, change.insert)];
      for (
        let next = changes[i + 1];
        next && "insert" in next && next.table === change.table;
        next = changes[i + 1]
      ) {
        rows.push(toColumns(next.table, next.insert));
        i++;
      }
      await table.createMany({ data: rows });
    } else if ("remove" in change) {
      await table.deleteMany({ where: { id: change.id } });
    } else {
      const where = { id: change.id, ...whereOf(change.expect) };
      const { count } = await table.updateMany({ where, data: toColumns(change.table, change.set) });
      if (count !== 1) throw new StaleWrite(change);
    }
  }
  if (happenings.length > 0) await writer.event.createMany({ data: happenings.map(toEvent) });
}

/**
 * Applies happenings in one transaction of their own and puts the bells into the outbox.
 * @returns false, with nothing changed, when one of them was stale
 */
export async function commitHappenings(
  database: Database,
  happenings: readonly Happening[],
  bells: readonly Bell[] = [],
): Promise<boolean> {
  try {
    await database.$transaction(async (writer) => {
      await writeHappenings(writer, happenings);
      await addBells(writer, bells);
    });
    return true;
  } catch (error) {
    if (error instanceof StaleWrite || isUniqueConflict(error)) return false;
    throw error;
  }
}

/** Puts bells into the outbox; one already there is enough. Wakes the listening serve on commit. */
export async function addBells(writer: Writer, bells: readonly Bell[]): Promise<void> {
  if (bells.length === 0) return;
  await writer.outbox.createMany({
    data: bells.map(({ topic, key }) => ({ topic, key, payload: {} })),
    skipDuplicates: true,
  });
  await writer.$executeRaw`select pg_notify('legalone', '')`;
}

/** Two transactions inserted the same row: the one that lost is stale. */
export function isUniqueConflict(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002";
}

function delegate(writer: Writer, table: TableName): Delegate {
  const name = `${table[0]!.toLowerCase()}${table.slice(1)}` as Uncapitalize<TableName>;
  return writer[name] as unknown as Delegate;
}

function whereOf(expect: object): object {
  return Object.fromEntries(
    Object.entries(expect).map(([key, value]) => [key, Array.isArray(value) ? { in: value } : value]),
  );
}

function toColumns(table: TableName, row: object): object {
  const json = jsonColumns[table];
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      value === null && json.includes(key) ? Prisma.DbNull : value,
    ]),
  );
}

function toEvent(happening: Happening): Prisma.EventCreateManyInput {
  const { runId, stageId, attemptId, type, data = {}, changes } = happening;
  const told = changes.length > 0 ? { ...data, changes: changes.map(withoutSpec) } : data;
  return { runId, stageId: stageId ?? null, attemptId: attemptId ?? null, type, data: toJson(told) };
}

/** A stage's spec never changes and is large: the log leaves it out. */
function withoutSpec(change: Change): object {
  if (change.table !== "Stage" || !("insert" in change)) return change;
  const { spec: _, ...insert } = change.insert;
  return { ...change, insert };
}

/** Plain JSON: dates as ISO 8601, big integers as numbers. */
export function toJson(value: unknown): Prisma.InputJsonObject {
  return JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner)),
  ) as Prisma.InputJsonObject;
}
