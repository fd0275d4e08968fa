import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultTimes } from "../../src/core/times.ts";
import { cancelRun } from "../../src/records/cancel.ts";
import { type Database, openDatabase, poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { syncNode } from "../../src/records/nodes.ts";
import { replayEvents } from "../../src/records/replay.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { SnapshotReader } from "../../src/records/snapshot.ts";
import { writeEndedRun, writeWaitingRun } from "../support/history.ts";
import { runOf } from "../support/pipelines.ts";
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

test("a submit and a resume of many shards send as much as those of one; the log replays", async () => {
  const submitted: string[] = [];
  const sent = async (shards: number) => {
    const stages = [
      { name: "fan", shards },
      { name: "join", needs: ["fan"] },
    ];
    const submit = await readsOf(db, async () => submitted.push((await submitRun(db, runOf(stages))).run));
    const run = submitted.at(-1)!;
    await cancelRun(db, run);
    await db.$executeRaw`update "Stage" set state = 'CANCELLED', "endedAt" = now() where "runId" = ${run}`;
    const resume = await readsOf(db, () => resumeRun(db, run));
    const [told] = await db.$queryRaw<{ bytes: number }[]>`
      select max(length(data::text)) as bytes from "Event" where "runId" = ${run}`;
    return { statements: [submit.statements, resume.statements], bytes: told!.bytes };
  };
  const [one, many] = [await sent(1), await sent(20_000)];
  expect(many.statements).toEqual(one.statements);
  expect(many.bytes).toBeLessThan(one.bytes + 100);
  const stages = { runId: submitted[1]! };
  expect(await db.shard.count({ where: { stage: stages, state: "PENDING" } })).toBe(40_002);
  const rows = replayEvents(await db.event.findMany({ where: stages, orderBy: { id: "asc" } }));
  expect(rows.Shard.get(`${submitted[1]}-fan-g2-s19999`)).toEqual(
    await db.shard.findUnique({ where: { id: `${submitted[1]}-fan-g2-s19999` } }),
  );
  await db.$executeRaw`update "Stage" set state = 'CANCELLED', "endedAt" = now() where "endedAt" is null and name = 'fan'`;
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
