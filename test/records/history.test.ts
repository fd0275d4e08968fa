import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultTimes } from "../../src/core/times.ts";
import { cancelRun } from "../../src/records/cancel.ts";
import { type Database, openDatabase, poolConfig } from "../../src/records/database.ts";
import { readGarbageFacts } from "../../src/records/garbage/read.ts";
import { migrate } from "../../src/records/migrate.ts";
import { syncNode } from "../../src/records/nodes.ts";
import { type Lineage, lineageOf } from "../../src/records/reads/lineage.ts";
import { type LoggedStep, latestMetrics, loggedSteps } from "../../src/records/reads/metrics.ts";
import { NewEvents } from "../../src/records/reads/new-events.ts";
import { phaseTexts } from "../../src/records/reads/phases.ts";
import type { Event } from "../../src/records/reads/row-types.ts";
import { readRun } from "../../src/records/reads/runs.ts";
import { replayEvents } from "../../src/records/replay.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { SnapshotReader } from "../../src/records/snapshot.ts";
import { lineageJson, lineageTree } from "../../src/views/lineage.ts";
import { nothingLive, stageLine } from "../../src/views/stage-line.ts";
import { writeEndedRun, writeWaitingRun } from "../support/history.ts";
import { runOf } from "../support/pipelines.ts";
import { type Reads, readsOf } from "../support/reads.ts";
import { expectReplayGivesRows } from "../support/replay-check.ts";
import { type Servers, startServers } from "../support/servers.ts";
import { plainLook } from "../views/rows.ts";

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
  const reader = new SnapshotReader(db, defaultTimes.cooldown, defaultTimes.backoffLimit);
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

test("a lineage asks once a generation and names what is shared once", async () => {
  const run = await writeWaitingRun(client, { shards: 40, node: "n3" });
  // Ten generations of 40 outputs, each made from all 40 before it: 40^10 ways to the first.
  const [first] = await db.artifact.findMany({ where: { runId: run }, take: 1 });
  const parts = (await db.artifact.findMany({ where: { runId: run }, orderBy: { shard: "asc" } })).map(
    ({ id }) => id,
  );
  for (let i = 1, parents = parts; i <= 10; i++) {
    await db.$executeRaw`
      insert into "Artifact" (id, kind, sha256, uri, bytes, meta, parents, "runId", "stageId", "attemptId", shard)
      select id || ${`-${i}`}, 'part' || ${i}::int, sha256, uri, bytes, meta, ${parents}, "runId", "stageId", "attemptId", shard
        from "Artifact" where id = any(${parts})`;
    parents = parts.map((id) => `${id}-${i}`);
  }
  let root: Lineage | null = null;
  const { statements } = await readsOf(db, async () => {
    root = await lineageOf(db, `${first!.id}-10`);
  });
  // Artifacts and their stages.
  expect(statements).toBeLessThanOrEqual(2 * 11);
  const text = JSON.stringify(lineageJson(root!));
  expect(text.match(/"parents"/g)).toHaveLength(1 + 9 * 40 + 40 * 40);
  expect(lineageTree(root!, plainLook).split("\n").length).toBeLessThan(150);
  expect(lineageTree(root!, plainLook)).toContain("37 more part9 by fan");
});

test("a view of a run reads some of very many shards and counts all; a follower's next look reads what is new", async () => {
  const run = await writeEndedRun(client, { shards: 3000 });
  await client.query("vacuum analyze");
  const [stage] = (await readRun(db, run)).stages;
  expect(stage).toMatchObject({ counts: { of: 3000, done: 3000, retries: 300 } });
  expect([stage!.shards.length, stage!.artifacts.length]).toEqual([64, 64]);
  expect(stageLine(stage!, nothingLive, new Date()).shards).toMatchObject({ done: 3000, of: 3000 });
  const { rows } = await readsOf(db, () => readRun(db, run));
  // Counting reads each shard; nothing reads each attempt, output or event.
  expect(rows).toBeLessThan(3000 + 2000);
  const [all] = (await readRun(db, run, { all: true })).stages;
  expect([all!.shards.length, all!.artifacts.length, all!.counts]).toEqual([3000, 3000, null]);

  const warnings = new NewEvents(db, { run, types: ["worker.warning"] }, 3);
  const look = async () => {
    const seen: Event[] = [];
    for await (const page of warnings.next()) seen.push(...page);
    return seen;
  };
  await look();
  expect((await readsOf(db, look)).rows).toBeLessThan(50);
  const tell = (type: string) => db.event.create({ data: { runId: run, type, data: {} } });
  const told = [await tell("worker.warning"), await tell("worker.phase"), await tell("worker.warning")];
  expect((await look()).map(({ id }) => id)).toEqual([told[0]!.id, told[2]!.id]);
  expect(await look()).toEqual([]);
});

test("outputs are read when this look may bind them: not while a needed stage or the measure of a gate runs on", async () => {
  const more = [{ name: "compared", needs: ["fan"] }];
  const run = await writeWaitingRun(client, { shards: 3, node: "n4", more });
  const [fan, slow] = [`${run}-fan-g1`, `${run}-slow-g1`];
  const bound = async () => {
    const rows = await new SnapshotReader(db, defaultTimes.cooldown, defaultTimes.backoffLimit).read();
    return rows!.artifacts.filter((artifact) => artifact.runId === run).map(({ shard }) => shard);
  };
  // compared needs only fan.
  expect(await bound()).toEqual([0, 1, 2]);
  const gate = { metric: "loss", comparison: "below", against: "slow.loss" };
  const written = JSON.stringify([{ ...gate, against: { stage: "slow", metric: "loss" } }]);
  await db.$executeRaw`update "Stage" set spec = jsonb_set(spec, '{gates}', ${written}::jsonb) where id = ${fan}`;
  expect(await bound()).toEqual([]);
  // It was measured before slow began again: nothing waits for slow any more.
  await db.gate.create({ data: { ...gate, id: `${fan}-gate0`, stageId: fan, passed: true } });
  expect(await bound()).toEqual([0, 1, 2]);
  await db.gate.delete({ where: { id: `${fan}-gate0` } });
  // Its last worker has left: this look may end slow, measure the gate and ready both.
  await db.$executeRaw`update "Attempt" set "exitedAt" = now() where id = ${`${slow}-s0-e1`}`;
  expect(await bound()).toEqual([0, 1, 2]);
});

test("gc reads the attempts that have folders and those that live, and no others", async () => {
  const [one] = await db.attempt.findMany({ where: { state: "SUCCEEDED" }, take: 1 });
  const live = await db.attempt.count({ where: { endedAt: null } });
  const { attempts } = await readGarbageFacts(db, [one!.id, "not-an-attempt"]);
  expect(attempts).toHaveLength(live + 1);
  expect(attempts).toContainEqual({ id: one!.id, runId: one!.id.split("-")[0], ended: true });
});

test("the last metrics of a live attempt cost as many reads as it has metrics, not points", async () => {
  const run = await writeWaitingRun(client, { shards: 1, node: "n6" });
  const id = `${run}-slow-g1-s0-e1`;
  await db.$executeRaw`
    insert into "Metric" ("attemptId", "stageId", name, step, value, at)
    select ${id}, ${`${run}-slow-g1`}, name, n, n, now() from generate_series(1, 5000) as n, unnest('{loss,lr,norm}'::text[]) as name`;
  await client.query("vacuum analyze");
  const found = new Map<string, number>();
  const { rows } = await readsOf(db, async () => {
    for (const [name, value] of (await latestMetrics(db, [id])).get(id)!) found.set(name, value);
  });
  expect([...found]).toEqual([
    ["loss", 5000],
    ["lr", 5000],
    ["norm", 5000],
  ]);
  expect(rows).toBeLessThan(50);
});

test("what live attempts say they do costs as many reads as they are, however long ago they said it", async () => {
  const run = await writeWaitingRun(client, { shards: 1, node: "n8" });
  const [id, stage] = [`${run}-slow-g1-s0-e1`, `${run}-slow-g1`];
  await db.event.create({
    data: { runId: run, stageId: stage, attemptId: id, type: "worker.phase", data: { detail: "scoring" } },
  });
  await db.$executeRaw`
    insert into "Event" ("runId", "stageId", "attemptId", type, data)
    select ${run}, ${stage}, ${id}, 'worker.checkpoint', '{}'::jsonb from generate_series(1, 5000)`;
  await client.query("vacuum analyze");
  let told = new Map<string, string>();
  // One of them has said nothing yet.
  const { rows } = await readsOf(db, async () => {
    told = await phaseTexts(db, [id, `${id}0`]);
  });
  expect(told).toEqual(new Map([[id, "scoring"]]));
  expect(rows).toBeLessThan(50);
});

test("the last steps of a log have a loss or a reward, with what was measured beside it, at a bounded cost", async () => {
  const run = await writeWaitingRun(client, { shards: 1, node: "n7" });
  const [id, stage] = [`${run}-slow-g1-s0-e1`, `${run}-slow-g1`];
  await db.$executeRaw`
    insert into "Metric" ("attemptId", "stageId", name, step, value, at)
    select ${id}, ${stage}, name, n, n / 2.0, '2026-03-02T09:00:00Z'::timestamptz + make_interval(secs => n)
      from generate_series(1, 5000) as n, unnest('{loss,lr,norm}'::text[]) as name`;
  await client.query("vacuum analyze");
  const [since, until] = [new Date("2026-03-02T09:00:00Z"), new Date("2026-03-02T10:23:18Z")];
  let steps: LoggedStep[] = [];
  const { rows } = await readsOf(db, async () => {
    steps = await loggedSteps(db, [stage], { most: 4, since, until });
  });
  expect(steps.map(({ step, values }) => [step, values])).toEqual([
    [4997, { loss: 2498.5, lr: 2498.5 }],
    [4998, { loss: 2499, lr: 2499 }],
  ]);
  expect(rows).toBeLessThan(60);
  const all = { most: 4, since, until: new Date("2026-03-03T00:00:00Z") };
  expect((await loggedSteps(db, [stage], all)).map(({ step }) => step)).toEqual([4997, 4998, 4999, 5000]);
});
