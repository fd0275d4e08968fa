import type { TableName, Tables } from "./rows.ts";

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
  | { readonly table: T; readonly id: string; readonly remove: true };

/** One change of one row. A change whose expectation does not hold is stale and changes nothing. */
export type Change = { [T in TableName]: ChangeOf<T> }[TableName];

/** What happened, and the changes of rows it means. The log of these, replayed, gives the rows. */
export interface Happening {
  runId: string;
  stageId?: string;
  attemptId?: string;
  type: string;
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
  } else if ("remove" in change) {
    table.delete(change.id);
  } else {
    const row = table.get(change.id);
    if (!row) throw new Error(`no ${change.table} ${change.id} to change`);
    table.set(change.id, { ...row, ...change.set });
  }
}
