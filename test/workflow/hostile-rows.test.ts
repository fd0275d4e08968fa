import pg from "pg";
import pc from "picocolors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LegaloneError } from "../../src/core/errors.ts";
import { cancelRun } from "../../src/records/cancel.ts";
import { type Database, openDatabase, poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { readQueue } from "../../src/records/reads/queue.ts";
import { listRuns, readRun } from "../../src/records/reads/runs.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { runList, runStatus } from "../../src/views/status.ts";
import { runListLines, runStatusLines } from "../../src/views/status-json.ts";
import { startControlPlane } from "../support/control-plane.ts";
import { runOf } from "../support/pipelines.ts";
import { ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let client: pg.Client;
let database: Database;
beforeAll(async () => {
  servers = await startServers();
  await migrate(servers.database);
  database = openDatabase(servers.database);
  client = new pg.Client(poolConfig(servers.database));
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.$disconnect();
  await servers.stop();
});

/** A run whose worker has just left, with an output, in front of a gate and another stage. */
async function writeTemplate(): Promise<string> {
  const gates = [{ metric: "loss", comparison: "below" as const, against: 2 }];
  const { run } = await submitRun(
    database,
    runOf([
      { name: "base", gates },
      { name: "tune", needs: ["base"] },
    ]),
  );
  const stage = `${run}-base-g1`;
  await client.query(`insert into "Node" (id, address, engines, slots, info, "heartbeatAt")
    values ('far', '', '{other}', 1024, '{}', now()) on conflict do nothing`);
  await client.query(
    `update "Stage" set state = 'RUNNING', "cacheKey" = id, "startedAt" = now() where id = '${stage}'`,
  );
  await client.query(
    `update "Stage" set spec = jsonb_set(spec, '{identity}', to_jsonb("runId")) where "runId" = '${run}'`,
  );
  await client.query(`update "Shard" set state = 'RUNNING', epoch = 1 where "stageId" = '${stage}'`);
  await client.query(`insert into "Attempt" (id, "shardId", epoch, state, "nodeId", engine, "startedAt", "heartbeatAt", "leaseUntil",
      "exitedAt", "exitCode", result, phase, "phaseAt", step, "of", unit, "stepAt", "stepMs")
    values ('${stage}-s0-e1', '${stage}-s0', 1, 'RUNNING', 'far', 'process', now(), now(), now(), now(), 0,
      '{"status": "succeeded", "metrics": {"loss": 1}, "summary": {}}', 'training', now(), 5, 10, 'step', now(), 100)`);
  await client.query(`insert into "Artifact" (id, kind, sha256, uri, bytes, meta, parents, "runId", "stageId", "attemptId", shard)
    values ('${stage}-model', 'model', repeat('a', 64), 'legalone://artifacts/' || repeat('a', 64), 1, '{}', '{}', '${run}', '${stage}',
      '${stage}-s0-e1', 0)`);
  await client.query(
    `insert into "Lease" (id, "nodeId", device, "attemptId") values ('${stage}-lease', 'far', -1, '${stage}-s0-e1')`,
  );
  await client.query(`insert into "Quarantine" values ('${run}', now(), 'before', 1, now())`);
  return run;
}

const copied = ["Run", "Stage", "Shard", "Attempt", "Artifact", "Lease", "Quarantine"];

/** The same run under other ids. */
async function copyRun(template: string, id: string, device: number): Promise<void> {
  const of: Record<string, string> = {
    Run: "id",
    Quarantine: "id",
    Stage: `"runId"`,
    Artifact: `"runId"`,
    Shard: `split_part("stageId", '-', 1)`,
    Attempt: `split_part("shardId", '-', 1)`,
    Lease: `split_part("attemptId", '-', 1)`,
  };
  for (const table of copied) {
    const more = table === "Lease" ? ` || jsonb_build_object('device', ${device})` : "";
    await client.query(
      `insert into "${table}" select (jsonb_populate_record(null::"${table}", replace(to_jsonb(t)::text, $1, $2)::jsonb${more})).*
         from "${table}" t where ${of[table]} = $1`,
      [template, id],
    );
  }
}

const long = `repeat('x', 100000)`;
/** By type of column: what somebody's hand, or another version, could have put there. */
const hostile: Record<string, readonly string[]> = {
  text: [`''`, `'__proto__'`, long],
  jsonb: [
    `'null'`,
    `'7'`,
    `'"x"'`,
    `'[null]'`,
    `'{"__proto__": {"a": 1}, "needs": 7, "metrics": null, "gates": {"length": 3}}'`,
  ],
  integer: ["-2147483648", "2147483647"],
  bigint: ["-1", "9223372036854775807"],
  "double precision": [`'NaN'`, `'Infinity'`, "-1", "9007199254740991"],
  "timestamp with time zone": [
    `'infinity'`,
    `'-infinity'`,
    `'1970-01-01Z'`,
    `'9999-12-31T23:00Z'`,
    `'200000-01-01Z'`,
  ],
  boolean: ["true"],
  ARRAY: ["null", "array[null]::text[]", `'{}'`],
};

interface Poisoned {
  run: string;
  what: string;
}

/** One run for each column and hostile value that the database takes. @returns those it took, and how many it did not */
async function poison(template: string): Promise<{ poisoned: Poisoned[]; refused: string[] }> {
  const { rows } = await client.query<{ table: string; column: string; type: string }>(
    `select table_name as table, column_name as column, data_type as type from information_schema.columns
      where table_name = any($1) and column_name not in ('id', 'runId', 'stageId', 'shardId', 'attemptId', 'nodeId')
      order by table_name, ordinal_position`,
    [copied],
  );
  const poisoned: Poisoned[] = [];
  const refused: string[] = [];
  let n = 0;
  await client.query("begin");
  for (const { table, column, type } of rows) {
    const values = hostile[type] ?? [];
    for (const [i, value] of values.entries()) {
      // Of each text one value: they differ in nothing but length.
      if (type === "text" && i !== n % values.length) continue;
      n++;
      const run = `r${String(n).padStart(9, "0")}`;
      const what = `${table}.${column} = ${value}`;
      await client.query("savepoint s");
      await copyRun(template, run, -1 - n);
      const where = table === "Run" || table === "Quarantine" ? "id = $1" : "starts_with(id, $1 || '-base')";
      try {
        await client.query(`update "${table}" set "${column}" = ${value} where ${where}`, [run]);
        poisoned.push({ run, what });
      } catch {
        await client.query("rollback to s");
        refused.push(what);
      }
    }
  }
  await client.query("commit");
  return { poisoned, refused };
}

const look = { colors: pc.createColors(false), width: 120, now: new Date() };

/** Clear errors are answers; a TypeError is none. */
async function answers(what: string, work: () => Promise<unknown>): Promise<string[]> {
  try {
    await work();
    return [];
  } catch (error) {
    return error instanceof LegaloneError ? [] : [`${what}: ${error}`];
  }
}

test("beside a hundred runs with one hostile column each, a run comes to its end, and every command answers", async () => {
  const template = await writeTemplate();
  const { poisoned, refused } = await poison(template);
  expect(poisoned.length).toBeGreaterThan(80);
  // What would keep everybody from reading a table stands in none.
  expect(refused.join("\n")).toMatch(/Stage\.createdAt = 'infinity'/);
  expect(
    poisoned
      .filter(({ what }) => /infinity|200000/.test(what) && !/double/.test(what))
      .map(({ what }) => what),
  ).toEqual([]);
  const patient = { lease: 600_000, dispatch: 600_000, nodeSilence: 600_000 };
  const plane = await startControlPlane(servers.database, patient);
  try {
    const { run } = await submitRun(
      database,
      runOf([{ name: "own" }, { name: "next", needs: ["own"] }], { priority: 100 }),
    );
    const agent = new ScriptedAgent(plane);
    let looks = 0;
    await agent.work(
      (spec) => success(spec, ["model"], { loss: 1 }),
      async () => ++looks > 0 && (await database.stage.count({ where: { runId: run, endedAt: null } })) === 0,
    );
    expect(looks).toBeLessThan(30);
    expect((await readRun(database, run)).verdict.state).toBe("succeeded");
    const health = await fetch(new URL("/healthz", plane.address));
    expect(((await health.json()) as { ok: boolean }).ok).toBe(true);
    const errors = (await database.quarantine.findMany()).map(({ error }) => error);
    expect(
      errors.filter((error) => /Cannot read|is not a function|not iterable|undefined/.test(error)),
    ).toEqual([]);

    const bad: string[] = [];
    const queue = await readQueue(database);
    const all = await listRuns(database, 1000);
    bad.push(
      ...(await answers("list", async () => runList(all, look, queue))),
      ...(await answers("list as JSON", async () => runListLines(all, queue))),
    );
    for (const { run: id, what } of poisoned) {
      const detail = all.find((one) => one.run.id === id)!;
      bad.push(
        ...(await answers(`status: ${what}`, async () => runStatus(detail, look, undefined, queue))),
        ...(await answers(`status as JSON: ${what}`, async () =>
          runStatusLines(detail, look.now, undefined, queue),
        )),
        ...(await answers(`cancel: ${what}`, () => cancelRun(database, id))),
        ...(await answers(`resume: ${what}`, () => resumeRun(database, id))),
      );
    }
    expect(bad).toEqual([]);
  } finally {
    await plane.stop();
  }
});
