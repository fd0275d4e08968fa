import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { migrationsFolder, readMigrations } from "../../src/records/migration-files.ts";
import { diffOfMigrations } from "../support/schema-diff.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let client: pg.Client;
beforeAll(async () => {
  servers = await startServers();
  client = new pg.Client(poolConfig(servers.database));
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await servers.stop();
});

/** A copy of this version's migrations, gone after the test. */
function copiedMigrations(): string {
  const folder = mkdtempSync(join(tmpdir(), "legalone-migrations-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(migrationsFolder, folder, { recursive: true });
  return folder;
}

/** The migrations of this version and one more. */
function folderWith(more: { name: string; sql: string }): string {
  const folder = copiedMigrations();
  mkdirSync(join(folder, more.name));
  writeFileSync(join(folder, more.name, "migration.sql"), more.sql);
  return folder;
}

test("two serves at once: one migrates, both find it done; later starts do nothing", async () => {
  const all = (await readMigrations()).map((migration) => migration.name);
  const applied = await Promise.all([migrate(servers.database), migrate(servers.database)]);
  expect(applied.flat()).toEqual(all);
  expect(await migrate(servers.database)).toEqual([]);
});

test("the migrations give exactly schema.prisma", async () => {
  expect(await diffOfMigrations(servers.database)).toBe("-- This is an empty migration.");
});

test("a later version's migration is applied, and then refused by the older version", async () => {
  const later = folderWith({
    name: "29990101000000_more",
    sql: 'create table "More" (id text primary key);',
  });
  expect(await migrate(servers.database, later)).toEqual(["29990101000000_more"]);
  await expect(migrate(servers.database)).rejects.toMatchObject({
    code: "E_MIGRATION",
    message: expect.stringContaining("29990101000000_more"),
  });
  await client.query(`delete from "_prisma_migrations" where migration_name like '2999%'`);
});

test("a migration that was changed after it was applied is refused", async () => {
  const folder = copiedMigrations();
  const [first] = await readMigrations();
  appendFileSync(join(folder, first!.name, "migration.sql"), "-- changed\n");
  await expect(migrate(servers.database, folder)).rejects.toMatchObject({ code: "E_MIGRATION" });
});

test("a migration that fails leaves nothing behind and names the statement's error", async () => {
  const broken = folderWith({
    name: "29990101000000_bad",
    sql: "create table a (id int); create table a (id int);",
  });
  await expect(migrate(servers.database, broken)).rejects.toMatchObject({ code: "E_MIGRATION" });
  const { rows } = await client.query(`select to_regclass('a') as found`);
  expect(rows[0].found).toBeNull();
  await expect(migrate(servers.database, broken)).rejects.toMatchObject({
    message: expect.stringContaining("did not finish"),
  });
});

test("a database that is not there is E_DATABASE, exit 9", async () => {
  await expect(migrate({ ...servers.database, port: 1 })).rejects.toMatchObject({
    code: "E_DATABASE",
    exitCode: 9,
  });
});
