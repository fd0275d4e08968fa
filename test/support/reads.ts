import pg from "pg";
import type { Database } from "../../src/records/database.ts";

/** What some work costs the database. */
export interface Reads {
  /** Statements that were sent, BEGIN and COMMIT among them. */
  statements: number;
  /** Rows and index entries that were read to answer them, catalogues aside. */
  rows: number;
}

/** @param db with one connection, so that what it read is told at once */
export async function readsOf(db: Database, work: () => Promise<unknown>): Promise<Reads> {
  const before = await rowsRead(db);
  const query = pg.Client.prototype.query as (...words: unknown[]) => unknown;
  let statements = 0;
  pg.Client.prototype.query = function (this: pg.Client, ...words: unknown[]) {
    statements++;
    return query.apply(this, words);
  } as typeof pg.Client.prototype.query;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
  }
  return { statements, rows: (await rowsRead(db)) - before };
}

async function rowsRead(db: Database): Promise<number> {
  await db.$executeRaw`select pg_stat_force_next_flush()`;
  const [read] = await db.$queryRaw<{ rows: number }[]>`
    select ((select sum(seq_tup_read) from pg_stat_user_tables)
          + (select sum(idx_tup_read) from pg_stat_user_indexes))::float8 as rows`;
  return read!.rows;
}
