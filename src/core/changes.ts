import type { EventType } from "./event-types.ts";
import { shardId } from "./ids.ts";
import type { ShardRow, TableName, Tables } from "./rows.ts";

/** A condition on a row: each named field has this value, or one of these. */
export type Expect<Row> = { readonly [K in keyof Row]?: Row[K] | readonly Row[K][] };

export type ChangeOf<T extends TableName> =
  | { readonly table: T; readonly insert: Tables[T] }
  | {
      readonly table: T;
      readonly id: string;
      readonly expect: Expect<Tables[T]>;
      readonly set: Partial<Tables[T]>;
    }
  | { readonly table: T; readonly id: string; readonly remove: true }
  | { readonly table: T; readonly all: Expect<Tables[T]>; readonly set: Partial<Tables[T]> };

/** Inserts of the shards 0 … count - 1 of a new stage, told in one word: a hundred thousand are no longer than one. */
export interface NewShards {
  readonly table: "Shard";
  readonly fill: { readonly stageId: string; readonly count: number; readonly state: ShardRow["state"] };
}

/**
 * One change: of one row, where an expectation that does not hold makes it stale and nothing is changed; of all rows
 * that fit (`all`), however many there are; or the shards of a new stage.
 */
export type Change = { [T in TableName]: ChangeOf<T> }[TableName] | NewShards;

/** What happened, and the changes of rows it means. The log of these, replayed, gives the rows. */
export interface Happening {
  runId: string;
  stageId?: string;
  attemptId?: string;
  type: EventType;
  data?: Record<string, unknown>;
  changes: Change[];
}

/** Rows by table and id. */
export type RowMaps = { readonly [T in TableName]: Map<string, Tables[T]> };

export function emptyRows(): RowMaps {
  return {
    Stage: new Map(),
    Shard: new Map(),
    Attempt: new Map(),
    Artifact: new Map(),
    Gate: new Map(),
    Lease: new Map(),
  };
}

/** Applies one change to rows in memory. @throws Error when there is no such row */
export function applyChange(rows: RowMaps, change: Change): void {
  const table = rows[change.table] as unknown as Map<string, { id: string }>;
  if ("insert" in change) {
    table.set(change.insert.id, { ...change.insert });
  } else if ("fill" in change) {
    for (const row of newShards(change.fill)) table.set(row.id, row);
  } else if ("remove" in change) {
    table.delete(change.id);
  } else if ("all" in change) {
    for (const [id, row] of table) if (fits(row, change.all)) table.set(id, { ...row, ...change.set });
  } else {
    const row = table.get(change.id);
    if (!row) throw new Error(`no ${change.table} ${change.id} to change`);
    table.set(change.id, { ...row, ...change.set });
  }
}

/** The rows that a `fill` means; the database's own defaults are the same. */
export function newShards({ stageId, count, state }: NewShards["fill"]): ShardRow[] {
  return Array.from({ length: count }, (_, index) => ({
    id: shardId(stageId, index),
    stageId,
    index,
    state,
    epoch: 0,
    infraUsed: 0,
    numericUsed: 0,
    userUsed: 0,
    stepBack: 0,
    furthestStep: null,
    notBefore: null,
    result: null,
  }));
}

/** Whether a row is as expected. */
export function fits(row: object, expect: object): boolean {
  return Object.entries(expect).every(([key, wanted]) => {
    const seen = (row as Record<string, unknown>)[key];
    return Array.isArray(wanted) ? wanted.includes(seen) : same(seen, wanted);
  });
}

function same(a: unknown, b: unknown): boolean {
  return a instanceof Date && b instanceof Date ? a.getTime() === b.getTime() : a === b;
}
