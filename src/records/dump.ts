import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type pg from "pg";
import type { ConnectionSpec } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { withClient } from "./database.ts";
import { migrate } from "./migrate.ts";

const migrationsTable = "_prisma_migrations";
const rowsAtOnce = 1_000;
const charactersAtOnce = 4_000_000;

/** The records of one moment, as files. */
export interface Dump {
  /** The workspace they belong to. */
  workspace: string | null;
  /** The newest migration: the version they were written by, or a later one of the same tables. */
  migration: string;
  /** In an order in which they can be filled. */
  tables: { name: string; file: string; rows: number }[];
  sequences: Record<string, string>;
}

export interface DumpOptions {
  /** Called with the rows so far and their number by the statistics of the server. */
  onRows?(done: number, about: number): void;
  /** Called in the same moment with what is named, before the tables are written. */
  onPlaces?(uris: { uri: string; kind: string }[]): Promise<void>;
}

/**
 * Writes every table into `folder`/records as lines of JSON, all of one moment: serve may go on meanwhile. PostgreSQL makes
 * and reads the JSON itself, so that no value passes through numbers of JavaScript, and tables of later versions need nothing.
 * @throws E_DATABASE when it cannot be reached or holds no records
 */
export async function dumpRecords(
  spec: ConnectionSpec,
  folder: string,
  { onRows, onPlaces }: DumpOptions = {},
): Promise<Dump> {
  await mkdir(join(folder, "records"), { recursive: true });
  return withClient(spec, async (client) => {
    await client.query("set idle_in_transaction_session_timeout = 0");
    await client.query("begin isolation level repeatable read read only");
    const migration = await newestMigration(client);
    if (migration === undefined)
      throw new LegaloneError(
        "E_DATABASE",
        `the database ${spec.database} holds no records of legalone yet`,
        {
          hint: "legalone up makes them",
        },
      );
    const { rows: places } = await client.query<{ uri: string; kind: string }>(
      `select distinct uri, kind from "Artifact" where "goneAt" is null order by uri`,
    );
    await onPlaces?.(places);
    const names = (await tablesInOrder(client)).filter((name) => name !== migrationsTable);
    const about = await estimate(client);
    let done = 0;
    const counted = (rows: number) => {
      done += rows;
      onRows?.(done, about);
    };
    const tables: Dump["tables"] = [];
    for (const name of names) {
      const file = `records/${name}.jsonl.gz`;
      const rows = await dumpTable(client, name, join(folder, file), counted);
      tables.push({ name, file, rows });
    }
    const workspace = names.includes("Workspace")
      ? ((await client.query<{ name: string }>(`select name from "Workspace"`)).rows[0]?.name ?? null)
      : null;
    return { workspace, migration, tables, sequences: await readSequences(client) };
  });
}

async function dumpTable(
  client: pg.Client,
  name: string,
  path: string,
  count: (rows: number) => void,
): Promise<number> {
  const packed = createGzip({ level: 1 });
  const out = createWriteStream(path);
  packed.pipe(out);
  const written = Promise.all([finished(packed), finished(out)]);
  // A full disk ends it below; until somebody waits for it, it is no unhandled error.
  written.catch(() => {});
  out.once("error", (error) => packed.destroy(error));
  let rows = 0;
  await client.query(
    `declare dump no scroll cursor for select row_to_json(t)::text as line from ${quoted(name)} t`,
  );
  for (;;) {
    const page = await client.query<{ line: string }>(`fetch ${rowsAtOnce} from dump`);
    if (page.rows.length === 0) break;
    rows += page.rows.length;
    const text = page.rows.map(({ line }) => `${line}\n`).join("");
    if (!packed.write(text))
      await Promise.race([new Promise((resolve) => packed.once("drain", resolve)), written]);
    count(page.rows.length);
  }
  await client.query("close dump");
  packed.end();
  await written;
  return rows;
}

export interface LoadOptions {
  /** Name of the workspace they belong to from now on. */
  workspace: string;
  onRows?(done: number): void;
}

/**
 * Fills a database without runs with what dumpRecords() wrote: it is brought to the same migration first, and all rows come
 * in one transaction.
 * @throws E_BACKUP when it holds runs, E_MIGRATION when this version does not know the migration
 */
export async function loadRecords(
  spec: ConnectionSpec,
  folder: string,
  dump: Dump,
  { workspace, onRows }: LoadOptions,
): Promise<void> {
  await refuseRuns(spec);
  await migrate(spec, undefined, { upTo: dump.migration });
  await withClient(spec, async (client) => {
    await client.query("begin");
    const tables = (await tablesInOrder(client)).filter((name) => name !== migrationsTable);
    const known = new Map(dump.tables.map((table) => [table.name, table]));
    if (tables.length !== known.size || tables.some((name) => !known.has(name)))
      throw new LegaloneError("E_BACKUP", "the tables of the backup are not those of its migrations");
    await client.query(`truncate ${tables.map(quoted).join(", ")}`);
    let done = 0;
    const counted = (rows: number) => {
      done += rows;
      onRows?.(done);
    };
    for (const name of tables) {
      const table = known.get(name)!;
      const rows = await loadTable(client, name, join(folder, table.file), counted);
      if (rows !== table.rows)
        throw new LegaloneError("E_BACKUP", `${table.file} holds ${rows} rows, expected ${table.rows}`);
    }
    for (const [name, value] of Object.entries(dump.sequences))
      await client.query("select setval($1::regclass, $2::bigint)", [quoted(name), value]);
    if (tables.includes("Workspace"))
      await client.query(
        `insert into "Workspace" (id, name) values (1, $1) on conflict (id) do update set name = excluded.name`,
        [workspace],
      );
    await client.query("commit");
    await client.query("analyze");
  });
}

async function loadTable(
  client: pg.Client,
  name: string,
  path: string,
  count: (rows: number) => void,
): Promise<number> {
  const table = quoted(name);
  let rows = 0;
  let page: string[] = [];
  let characters = 0;
  const flush = async () => {
    if (page.length === 0) return;
    const text = `insert into ${table} select * from json_populate_recordset(null::${table}, $1::json)`;
    await client.query(text, [`[${page.join(",")}]`]);
    rows += page.length;
    count(page.length);
    [page, characters] = [[], 0];
  };
  const unpacked = createReadStream(path).pipe(createGunzip());
  for await (const line of createInterface({ input: unpacked, crlfDelay: Number.POSITIVE_INFINITY })) {
    page.push(line);
    characters += line.length;
    if (page.length >= rowsAtOnce || characters > charactersAtOnce) await flush();
  }
  await flush();
  return rows;
}

async function refuseRuns(spec: ConnectionSpec): Promise<void> {
  const runs = await withClient(spec, async (client) => {
    const { rows } = await client.query<{ found: boolean }>(
      `select to_regclass('"Run"') is not null as found`,
    );
    if (!rows[0]?.found) return 0;
    return Number((await client.query(`select count(*) as runs from "Run"`)).rows[0].runs);
  });
  if (runs > 0)
    throw new LegaloneError("E_BACKUP", `the database ${spec.database} at ${spec.host} holds ${runs} runs`, {
      hint: "A backup is restored into an empty database; LEGALONE_DATABASE_URL names it.",
    });
}

async function newestMigration(client: pg.Client): Promise<string | undefined> {
  const found = await client.query(`select to_regclass('"${migrationsTable}"') is not null as found`);
  if (!found.rows[0].found) return undefined;
  const { rows } = await client.query<{ name: string }>(
    `select max(migration_name) as name from "${migrationsTable}" where finished_at is not null and rolled_back_at is null`,
  );
  return rows[0]?.name ?? undefined;
}

/** Tables of the schema, every one after those it refers to. */
async function tablesInOrder(client: pg.Client): Promise<string[]> {
  const { rows: found } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace order by 1",
  );
  const { rows: references } = await client.query<{ from: string; to: string }>(
    `select a.relname as from, b.relname as to from pg_constraint c
       join pg_class a on a.oid = c.conrelid join pg_class b on b.oid = c.confrelid
      where c.contype = 'f' and a.relnamespace = current_schema()::regnamespace and a.oid <> b.oid`,
  );
  const sorted = new Set<string>();
  const add = (name: string) => {
    if (sorted.has(name)) return;
    for (const { from, to } of references) if (from === name) add(to);
    sorted.add(name);
  };
  for (const { name } of found) add(name);
  return [...sorted];
}

async function readSequences(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; value: string | null }>(
    "select sequencename as name, last_value::text as value from pg_sequences where schemaname = current_schema()",
  );
  return Object.fromEntries(rows.flatMap(({ name, value }) => (value === null ? [] : [[name, value]])));
}

async function estimate(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ rows: string }>(
    "select coalesce(sum(n_live_tup), 0)::text as rows from pg_stat_user_tables where schemaname = current_schema()",
  );
  return Number(rows[0]?.rows ?? 0);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
