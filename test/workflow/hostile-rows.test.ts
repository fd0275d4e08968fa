import { join } from "node:path";
import pg from "pg";
import pc from "picocolors";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { diff } from "../../src/cli/actions/diff.ts";
import { exportModel } from "../../src/cli/actions/export.ts";
import { follow } from "../../src/cli/actions/follow.ts";
import { gc } from "../../src/cli/actions/gc.ts";
import { lineage } from "../../src/cli/actions/lineage.ts";
import { logs } from "../../src/cli/actions/logs.ts";
import { metrics } from "../../src/cli/actions/metrics.ts";
import { auditPas } from "../../src/cli/actions/pas-audit.ts";
import { withRecords } from "../../src/cli/actions/records.ts";
import { report } from "../../src/cli/actions/report.ts";
import { runStatusCommand } from "../../src/cli/actions/status.ts";
import { verify } from "../../src/cli/actions/verify.ts";
import { LegaloneError } from "../../src/core/errors.ts";
import { environmentError } from "../../src/core/system-errors.ts";
import { cancelRun } from "../../src/records/cancel.ts";
import { type Database, openDatabase, poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { checkpointsOf } from "../../src/records/reads/checkpoints.ts";
import { findEarlierStage } from "../../src/records/reads/planning.ts";
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

/** The same, ended well: outputs, gates that were measured, points of a curve, the log. */
async function writeEnded(): Promise<string> {
  const run = await writeTemplate();
  const stage = `${run}-base-g1`;
  await client.query(`delete from "Lease" where "attemptId" = '${stage}-s0-e1'`);
  await client.query(
    `update "Attempt" set state = 'SUCCEEDED', reason = 'done', "endedAt" = now() where id = '${stage}-s0-e1'`,
  );
  await client.query(`update "Shard" set state = 'SUCCEEDED', result = '{"metrics": {"loss": 1}, "summary": {"text": "done"}}'
    where "stageId" like '${run}-%'`);
  await client.query(`update "Stage" set state = 'SUCCEEDED', "cacheKey" = id, "startedAt" = now(), "endedAt" = now(),
    result = '{"metrics": {"loss": 1}, "summary": {"text": "done"}}' where "runId" = '${run}'`);
  await client.query(`insert into "Gate" (id, "stageId", metric, comparison, against, value, threshold, passed, "measuredAt")
    values ('${stage}-gate', '${stage}', 'loss', 'below', '2', 1, 2, true, now())`);
  await client.query(`insert into "Artifact" select (jsonb_populate_record(null::"Artifact", to_jsonb(a) || jsonb_build_object(
    'id', '${stage}-step', 'kind', 'checkpoint', 'step', 5))).* from "Artifact" a where a.id = '${stage}-model'`);
  await client.query(`insert into "Metric" ("attemptId", "stageId", name, step, value, at)
    select '${stage}-s0-e1', '${stage}', 'loss', i, 1.0 / i, now() from generate_series(1, 5) i`);
  return run;
}

const copied = ["Run", "Stage", "Shard", "Attempt", "Artifact", "Lease", "Quarantine"];

/** Which run a row belongs to. */
const runOfRow: Record<string, string> = {
  Run: "id",
  Quarantine: "id",
  Stage: `"runId"`,
  Artifact: `"runId"`,
  Event: `"runId"`,
  Shard: `split_part("stageId", '-', 1)`,
  Gate: `split_part("stageId", '-', 1)`,
  Metric: `split_part("stageId", '-', 1)`,
  Attempt: `split_part("shardId", '-', 1)`,
  Lease: `split_part("attemptId", '-', 1)`,
};

/** The same run under other ids. */
async function copyRun(
  tables: readonly string[],
  template: string,
  id: string,
  device: number,
): Promise<void> {
  for (const table of tables) {
    const own: Record<string, string> = {
      Lease: ` || jsonb_build_object('device', ${device})`,
      Event: ` || jsonb_build_object('id', nextval('"Event_id_seq"'))`,
      Metric: ` || jsonb_build_object('id', nextval('"Metric_id_seq"'))`,
    };
    await client.query(
      `insert into "${table}" select (jsonb_populate_record(null::"${table}", replace(to_jsonb(t)::text, $1, $2)::jsonb${own[table] ?? ""})).*
         from "${table}" t where ${runOfRow[table]} = $1`,
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
async function poison(
  template: string,
  tables: readonly string[],
  letter: string,
): Promise<{ poisoned: Poisoned[]; refused: string[] }> {
  const { rows } = await client.query<{ table: string; column: string; type: string }>(
    `select table_name as table, column_name as column, data_type as type from information_schema.columns
      where table_name = any($1) and column_name not in ('id', 'runId', 'stageId', 'shardId', 'attemptId', 'nodeId')
      order by table_name, ordinal_position`,
    [tables],
  );
  const poisoned: Poisoned[] = [];
  const refused: string[] = [];
  let n = 0;
  await client.query("begin");
  // Hands that mend rows know no rules.
  await client.query(`alter table "Attempt" disable trigger user`);
  for (const { table, column, type } of rows) {
    const values = hostile[type] ?? [];
    for (const [i, value] of values.entries()) {
      // Of each text one value: they differ in nothing but length.
      if (type === "text" && i !== n % values.length) continue;
      n++;
      const run = `${letter}${String(n).padStart(9, "0")}`;
      const what = `${table}.${column} = ${value}`;
      await client.query("savepoint s");
      await copyRun(tables, template, run, -1 - n);
      const ofBase =
        { Run: "", Quarantine: "", Event: "", Metric: "", Gate: "" }[table] ?? ` and id like '%-base-%'`;
      const where = `${runOfRow[table]} = $1${ofBase}`;
      try {
        await client.query(`update "${table}" set "${column}" = ${value} where ${where}`, [run]);
        poisoned.push({ run, what });
      } catch {
        await client.query("rollback to s");
        refused.push(what);
      }
    }
  }
  await client.query(`alter table "Attempt" enable trigger user`);
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
    if (error instanceof LegaloneError || environmentError(error)) return [];
    return [`${what}: ${(error as Error).stack?.split("\n").slice(0, 4).join(" ") ?? error}`];
  }
}

/** One that its rows no longer tell to have ended would be followed until the user leaves. */
const watchEnded = (run: string, options: { json?: boolean }) =>
  withRecords(async (db) => (await readRun(db, run)).verdict.ended && follow(db, run, options));

/** Commands that look at one run, as the command line calls them. */
const commands: Record<string, (run: string, sound: string) => Promise<unknown>> = {
  status: (run) => runStatusCommand(run, { limit: 10 }),
  "status --json": (run) => runStatusCommand(run, { limit: 10, json: true }),
  watch: (run) => watchEnded(run, {}),
  "watch --json": (run) => watchEnded(run, { json: true }),
  report: (run) => report(run, { out: "-" }),
  lineage: (run) => lineage(run, {}),
  "lineage --json": (run) => lineage(run, { json: true }),
  logs: (run) => logs(run, "base", { tail: 10 }),
  "logs --json": (run) => logs(run, "base", { tail: 10, json: true }),
  metrics: (run) => metrics(run, undefined, { points: 10, plot: true }),
  "metrics --json": (run) => metrics(run, undefined, { points: 10, json: true }),
  diff: (run, sound) => diff(run, sound, {}),
  "diff --json": (run, sound) => diff(sound, run, { json: true }),
  "pas audit": (run) => auditPas(run, {}),
  verify: (run) => verify(run, {}),
  export: (run) => exportModel(run, { to: join(servers.home, "delivered", run) }),
  "fork's checkpoints": (run) => withRecords((db) => checkpointsOf(db, run, "base")),
  "plan's earlier stages": () => withRecords((db) => findEarlierStage(db, "test", "base")),
};

test("of runs with one hostile column each, every command that looks tells or says why it cannot", async () => {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const noted = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const bad: string[] = [];
  try {
    const sound = await writeEnded();
    const tables = ["Run", "Stage", "Shard", "Attempt", "Artifact", "Gate", "Metric", "Event", "Quarantine"];
    const { poisoned, refused } = await poison(sound, tables, "e");
    expect(poisoned.length).toBeGreaterThan(150);
    expect(refused).toEqual(expect.arrayContaining(["Artifact.parents = null"]));
    const names = Object.keys(commands);
    // Each value meets one of the commands, and each command values of every table.
    for (const [i, { run, what }] of poisoned.entries()) {
      const name = names[i % names.length]!;
      bad.push(...(await answers(`${name}: ${what}`, () => commands[name]!(run, sound))));
    }
    bad.push(
      ...(await answers("status", () => runStatusCommand(undefined, { limit: 1000 }))),
      ...(await answers("status --json", () => runStatusCommand(undefined, { limit: 1000, json: true }))),
      ...(await answers("gc --dry-run", () => gc({ dryRun: true, olderThan: 0, keepRuns: 0 }))),
      ...(await answers("verify", () => verify(undefined, {}))),
    );
  } finally {
    written.mockRestore();
    noted.mockRestore();
    process.exitCode = 0;
  }
  expect(bad).toEqual([]);
}, 300_000);

test("beside a hundred runs with one hostile column each, a run comes to its end, and every command answers", async () => {
  const template = await writeTemplate();
  const { poisoned, refused } = await poison(template, copied, "r");
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
}, 300_000);
