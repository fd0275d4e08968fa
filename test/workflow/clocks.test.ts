import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { databaseNow, openDatabase, poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { submitRun } from "../../src/records/runs.ts";
import { readDaemon } from "../../src/services/daemon.ts";
import { startProgram } from "../support/command-line.ts";
import { startControlPlane } from "../support/control-plane.ts";
import { runOf } from "../support/pipelines.ts";
import { line, ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let client: pg.Client;
beforeAll(async () => {
  servers = await startServers();
  await migrate(servers.database);
  client = new pg.Client(poolConfig(servers.database));
  await client.connect();
  // For all that connect from here on the clock of the database is what this function says.
  await client.query("create schema shifted");
  await client.query(`create table shifted.clock_step (step interval not null)`);
  await client.query(`insert into shifted.clock_step values ('0')`);
  await client.query(`create function shifted.clock_timestamp() returns timestamptz language sql volatile as
    'select pg_catalog.clock_timestamp() + step from shifted.clock_step'`);
  await client.query(
    `alter database "${servers.database.database}" set search_path = shifted, pg_catalog, public`,
  );
});
afterAll(async () => {
  await client.end();
  await servers.stop();
});
beforeEach(() => setClock("0"));

const setClock = (step: string) => client.query("update shifted.clock_step set step = $1::interval", [step]);

test("the database's clock is set by minutes, and serve is stopped for longer than every lease: nothing is lost", async () => {
  const env = {
    ...process.env,
    ...{ LEGALONE_TIME_SCALE: "0.1", LEGALONE_TIME_LEASE: "3000", LEGALONE_TIME_GRACE: "3000" },
    ...{ LEGALONE_TIME_NODE_SILENCE: "600000", LEGALONE_TIME_RECONCILE: "300" },
  };
  const serve = startProgram(["serve"], env, servers.home);
  const note = () => readDaemon(join(servers.home, "serve.json"));
  await expect.poll(note, { timeout: 60_000 }).toBeDefined();
  const { pid, address, token } = note() as unknown as { pid: number; address: string; token: string };
  onTestFinished(async () => {
    process.kill(pid, "SIGCONT");
    process.kill(pid, "SIGTERM");
    await serve.ended;
  });
  const database = openDatabase(servers.database);
  onTestFinished(() => database.$disconnect());
  const { run } = await submitRun(database, runOf([{ name: "base" }]));
  const agent = new ScriptedAgent({ address, token, look: () => sleep(100) });
  await expect.poll(async () => (await agent.sync()) && agent.held.size, { timeout: 30_000 }).toBe(1);
  const { spec } = [...agent.held.values()][0]!;
  await agent.lines(spec.attempt, [line.started(spec)]);
  const hear = async () => {
    await agent.sync();
    await agent.lines(spec.attempt, [line.heartbeat()]);
  };
  for (const step of ["7 minutes", "-11 minutes", "0"]) {
    process.kill(pid, "SIGSTOP");
    await setClock(step);
    const offMs = Math.abs((await databaseNow(database)).getTime() - Date.now());
    expect(offMs > 300_000, "what serve asks for the time says another").toBe(step !== "0");
    // Longer than lease and grace together.
    await sleep(8_000);
    process.kill(pid, "SIGCONT");
    // It looks before the worker is heard again.
    await sleep(700);
    for (let beat = 0; beat < 3; beat++) await hear();
  }
  await agent.play(spec.attempt, { ...success(spec), lines: success(spec).lines!.slice(1) });
  const stage = () => database.stage.findFirstOrThrow({ where: { runId: run } });
  await expect.poll(async () => (await stage()).state, { timeout: 30_000 }).toBe("SUCCEEDED");
  const attempts = await database.attempt.findMany({ where: { shard: { stage: { runId: run } } } });
  expect(attempts.map(({ epoch, state }) => `${epoch} ${state}`)).toEqual(["1 SUCCEEDED"]);
});

/** Transactions of everybody since the server began; a look is at least one. */
async function transactions(): Promise<number> {
  await client.query("select pg_stat_clear_snapshot()");
  const { rows } = await client.query<{ n: string }>(
    "select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()",
  );
  return Number(rows[0]!.n);
}

test.each(["30 seconds", "-30 seconds"])(
  "a leader beside whose clock the database's is %s off looks no more often while a back-off lasts",
  async (step) => {
    const quiet = { reconcile: 60_000, lead: 600_000, sync: 600_000, backoffLimit: 600_000 };
    const plane = await startControlPlane(servers.database, quiet);
    onTestFinished(() => plane.stop());
    const { run } = await submitRun(plane.database, runOf([{ name: "base", with: { step } }]));
    await plane.look();
    await setClock(step);
    await client.query(
      `update "Shard" set "notBefore" = shifted.clock_timestamp() + interval '20 s' where "stageId" like $1`,
      [`${run}-%`],
    );
    await plane.look();
    const before = await transactions();
    await sleep(4_000);
    // One that took the difference of the clocks for time that is over would look hundreds of times.
    expect((await transactions()) - before).toBeLessThan(60);
  },
);
