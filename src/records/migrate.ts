import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type * as Engine from "@prisma/schema-engine-wasm/schema_engine_bg";
import type pg from "pg";
import type { ConnectionSpec } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { poolConfig, withClient } from "./database.ts";
import { type Migration, migrationsFolder, readMigrations } from "./migration-files.ts";
import { WholeScripts, withSchemaEngine } from "./schema-engine.ts";

/** Key of the advisory lock that one serve holds while it migrates. */
const migrationLock = 7_140_001;

interface AppliedMigration {
  name: string;
  checksum: string;
  finished: boolean;
}

export interface MigrateOptions {
  /** The last one to apply; all when left out. */
  upTo?: string;
  /** Called before records that exist are changed: when it throws, they are not. */
  before?: (pending: string) => Promise<void>;
}

/**
 * Whether this version can use the database: that it holds no migration that is unknown, changed or unfinished. Changes nothing.
 * @throws E_MIGRATION, E_DATABASE
 */
export async function checkMigrations(spec: ConnectionSpec, folder = migrationsFolder): Promise<void> {
  const wanted = await readMigrations(folder);
  await withClient(spec, async (client) => pendingOf(wanted, await readApplied(client)));
}

/**
 * Why a query found no such table or column: the database holds no records yet (false), or those of an older version.
 * @returns true when all migrations are there
 * @throws E_MIGRATION, E_DATABASE
 */
export async function hasRecords(spec: ConnectionSpec, folder = migrationsFolder): Promise<boolean> {
  const wanted = await readMigrations(folder);
  const applied = await withClient(spec, readApplied);
  if (applied.length === 0) return false;
  const pending = pendingOf(wanted, applied);
  if (pending.length === 0) return true;
  throw new LegaloneError(
    "E_MIGRATION",
    `The records are of an older version: they lack ${names(pending)}.`,
    {
      hint: "`legalone up` brings them to this version; docs/workspace.md says how to go back",
    },
  );
}

/**
 * Brings the database to this version's migrations. The table `_prisma_migrations` alone is believed: where it
 * agrees nothing is done; otherwise the pending ones are applied under an advisory lock, and it is read again.
 * @returns names of the migrations applied now
 * @throws LegaloneError E_MIGRATION on a migration that is unknown, changed or unfinished; E_DATABASE
 */
export async function migrate(
  spec: ConnectionSpec,
  folder = migrationsFolder,
  { upTo, before }: MigrateOptions = {},
): Promise<string[]> {
  const all = await readMigrations(folder);
  const wanted = upTo === undefined ? all : all.filter(({ name }) => name <= upTo);
  return withClient(spec, async (client) => {
    if (pendingOf(wanted, await readApplied(client)).length === 0) return [];
    await client.query("select pg_advisory_lock($1)", [migrationLock]);
    const applied = await readApplied(client);
    const pending = pendingOf(wanted, applied);
    if (pending.length > 0 && applied.length > 0) await before?.(names(pending));
    if (pending.length > 0) await apply(spec, wanted, folder);
    const missing = pendingOf(wanted, await readApplied(client));
    if (missing.length > 0) throw refused(`${names(missing)} did not reach the table _prisma_migrations`);
    return pending.map((migration) => migration.name);
  });
}

/** The migrations that `_prisma_migrations` lacks. @throws E_MIGRATION when it holds what these files do not */
function pendingOf(wanted: Migration[], applied: AppliedMigration[]): Migration[] {
  const byName = new Map(wanted.map((migration) => [migration.name, migration]));
  for (const { name, checksum, finished } of applied) {
    const file = byName.get(name);
    if (!file) throw refused(`the database has the migration ${name}, which this version does not know`);
    if (!finished) throw refused(`the migration ${name} began in this database and did not finish`);
    if (file.checksum !== checksum)
      throw refused(`the migration ${name} in the database is another one (checksum)`);
  }
  const done = new Set(applied.map((migration) => migration.name));
  const pending = wanted.filter((migration) => !done.has(migration.name));
  const late = wanted.findIndex((migration) => !done.has(migration.name));
  if (late >= 0 && wanted.length - late !== pending.length) {
    throw refused(`the database lacks ${pending[0]?.name} and has later migrations`);
  }
  return pending;
}

async function readApplied(client: pg.Client): Promise<AppliedMigration[]> {
  const found = await client.query(`select to_regclass('"_prisma_migrations"') is not null as found`);
  if (!found.rows[0].found) return [];
  const { rows } = await client.query<AppliedMigration>(
    `select migration_name as name, checksum, finished_at is not null as finished
       from "_prisma_migrations" where rolled_back_at is null order by started_at`,
  );
  return rows;
}

async function apply(spec: ConnectionSpec, wanted: Migration[], folder: string): Promise<void> {
  const adapter = new WholeScripts({ ...poolConfig(spec), max: 1 });
  const migrationsList = await migrationList(wanted, folder);
  const filters = { externalTables: [], externalEnums: [] };
  try {
    await withSchemaEngine(adapter, (engine) => engine.applyMigrations({ migrationsList, filters }));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw refused(`applying the migrations failed: ${message}`, error);
  }
}

/** The migrations in the form the schema engine takes. */
export async function migrationList(
  migrations: Migration[],
  folder = migrationsFolder,
): Promise<Engine.MigrationList> {
  const lock = "migration_lock.toml";
  return {
    baseDir: folder,
    lockfile: { path: lock, content: await readFile(join(folder, lock), "utf8") },
    shadowDbInitScript: "",
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: "migration.sql", content: { tag: "ok", value: sql } },
    })),
  };
}

function names(migrations: Migration[]): string {
  return migrations.map((migration) => migration.name).join(", ");
}

function refused(what: string, cause?: unknown): LegaloneError {
  return new LegaloneError("E_MIGRATION", `The records cannot be used: ${what}`, {
    hint: "use the version of legalone that wrote this database, or another database",
    cause,
  });
}
