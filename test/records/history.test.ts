import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultTimes } from "../../src/core/times.ts";
import { type Database, openDatabase, poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { syncNode } from "../../src/records/nodes.ts";
import { SnapshotReader } from "../../src/records/snapshot.ts";
import { writeEndedRun, writeWaitingRun } from "../support/history.ts";
import { type Reads, readsOf } from "../support/reads.ts";
import { expectReplayGivesRows } from "../support/replay-check.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let client: pg.Client;
let db: Database;
beforeAll(async () => {
  servers = await startServers();
  await migrate(servers.database);
  client = new pg.Client(poolConfig(servers.database));
  await client.connect();
  db = openDatabase(servers.database, 1);
});
afterAll(async () => {
  await client.end();
  await db.$disconnect();
  await servers.stop();
});

const node = { pid: 1, build: "test", address: "", engines: ["process"], npus: 0, slots: 2, info: {} };

/** What each kind of work reads; done once before, so that only what it always costs is counted. */
async function costs(works: Record<string, () => Promise<unknown>>): Promise<Record<string, Reads>> {
  await client.query("vacuum analyze");
  const found: Record<string, Reads> = {};
  for (const [name, work] of Object.entries(works)) {
    await work();
    found[name] = await readsOf(db, work);
  }
  return found;
}

test("replaying the log of a history that was written straight into the tables gives its rows", async () => {
  await writeEndedRun(client, { shards: 40, phases: 4, metrics: 3 });
  await writeWaitingRun(client, { shards: 30, node: "n1" });
  await expectReplayGivesRows(db);
  expect(await db.attempt.count({ where: { state: "LOST" } })).toBe(4);
});

test("a look and a sync read no more for attempts that ended and outputs that wait", async () => {
  const reader = new SnapshotReader(db, defaultTimes.cooldown);
  const works = {
    look: () => reader.read(),
    sync: () => syncNode(db, "n1", node, defaultTimes.nodeSilence),
  };
  const before = await costs(works);
  for (let i = 0; i < 3; i++) await writeEndedRun(client, { shards: 2000 });
  await writeWaitingRun(client, { shards: 3000, node: "n2" });
  const after = await costs(works);
  expect(before.look).toMatchObject({ statements: 1 });
  expect(after.sync!.rows).toBeLessThan(before.sync!.rows + 10);
  // Another open run: its own stages, shards and attempts.
  expect(after.look!.rows).toBeLessThan(before.look!.rows + 100);
  expect((await reader.read())?.artifacts).toEqual([]);
});
