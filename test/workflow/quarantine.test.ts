import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { policyOf } from "../../src/cli/serve/policy.ts";
import { createLog } from "../../src/core/log.ts";
import { cancelRun } from "../../src/records/cancel.ts";
import { recordExit } from "../../src/records/exits.ts";
import { commitHappenings } from "../../src/records/happenings.ts";
import { endQuarantine, noteQuarantine, readQuarantine } from "../../src/records/quarantine.ts";
import { readRun } from "../../src/records/reads/runs.ts";
import { submitRun } from "../../src/records/runs.ts";
import { SnapshotReader } from "../../src/records/snapshot.ts";
import { Quarantine } from "../../src/workflow/quarantine.ts";
import { Reconciler } from "../../src/workflow/reconcile.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { runOf, type StageSketch } from "../support/pipelines.ts";
import { expectReplayGivesRows } from "../support/replay-check.ts";
import { ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

/** The scripts say nothing while a loaded machine is late. */
const patient = { lease: 600_000, nodeSilence: 600_000 };
let servers: Servers;
let plane: ControlPlane;
let agent: ScriptedAgent;
beforeAll(async () => {
  servers = await startServers();
  plane = await startControlPlane(servers.database, patient);
});
afterAll(async () => {
  await plane.stop();
  await servers.stop();
});
beforeEach(() => {
  agent = new ScriptedAgent(plane);
});

/** Other work than any run before. */
let works = 0;
const fresh = (names: readonly StageSketch[]): StageSketch[] => {
  works++;
  return names.map((sketch) => ({ ...sketch, with: { work: works } }));
};
const chain: StageSketch[] = [{ name: "base" }, { name: "tune", needs: ["base"] }];

const submit = async (sketches: StageSketch[]) => (await submitRun(plane.database, runOf(sketches))).run;
const stagesOf = (run: string) =>
  plane.database.stage.findMany({ where: { runId: run }, orderBy: { position: "asc" } });
const ended = (run: string) => async () => (await stagesOf(run)).every((stage) => stage.endedAt !== null);
const events = async (run: string) =>
  (await plane.database.event.findMany({ where: { runId: run }, orderBy: { id: "asc" } })).map(
    ({ type }) => type,
  );
const quarantined = (run: string) => plane.database.quarantine.findUnique({ where: { id: run } });
const health = async () =>
  (await (await fetch(new URL("/healthz", plane.address))).json()) as {
    ok: boolean;
    quarantined: { run: string }[];
  };

/** A run whose first stage has `spec` laid over what it should have. */
async function submitBroken(over: object, sketches = fresh(chain)): Promise<string> {
  const run = runOf(sketches);
  const [first, ...rest] = run.stages;
  const stages = [{ ...first!, spec: { ...first!.spec, ...over } }, ...rest];
  return (await submitRun(plane.database, { ...run, stages })).run;
}

const poisons: [string, object][] = [
  ["needs that are no list", { needs: null }],
  ["a need that is not there", { needs: ["nowhere"] }],
  ["a need of itself", { needs: ["base"] }],
  ["a cycle", { needs: ["tune"] }],
  ["a gate that is none", { gates: [{ metric: "loss", comparison: "sideways", against: 1 }] }],
  ["inputs that are a number", { inputs: 7 }],
  ["no retry budgets", { retry: {} }],
  ["resources below zero", { resources: { nodes: 1, npus: -3 } }],
];

test.each(poisons)("a run with %s goes into quarantine, and the run beside it ends well", async (_, over) => {
  const broken = await submitBroken(over);
  const sound = await submit(fresh(chain));
  await agent.work((spec) => success(spec), ended(sound));
  expect((await readRun(plane.database, sound)).verdict.state).toBe("succeeded");
  await expect.poll(() => quarantined(broken)).toMatchObject({ tries: expect.any(Number) });
  expect(await events(broken)).toEqual(["run.submitted", "run.quarantined"]);
  const { ok, quarantined: told } = await health();
  expect(ok).toBe(true);
  expect(told.map(({ run }) => run)).toContain(broken);
  expect((await readRun(plane.database, broken)).quarantine?.error).toMatch(/base/);
});

test("a run leaves the quarantine by itself when its row is whole again, and ends well", async () => {
  const sketches = fresh(chain);
  const run = await submitBroken({ gates: 7 }, sketches);
  await expect.poll(() => quarantined(run)).not.toBeNull();
  const { spec } = runOf(sketches).stages[0]!;
  await plane.database.stage.update({ where: { id: `${run}-base-g1` }, data: { spec } });
  await agent.work((spec) => success(spec), ended(run));
  expect(await events(run)).toContain("run.released");
  expect(await quarantined(run)).toBeNull();
  expect((await readRun(plane.database, run)).quarantine).toBeNull();
});

test("a cancelled run in quarantine ends at once, whatever its configuration says", async () => {
  const waiting = await submitBroken({ gates: "none" });
  await expect.poll(() => quarantined(waiting)).not.toBeNull();
  await cancelRun(plane.database, waiting);
  await expect.poll(ended(waiting)).toBe(true);
  expect((await readRun(plane.database, waiting)).verdict).toMatchObject({ state: "cancelled", ended: true });
  await expect.poll(() => quarantined(waiting)).toBeNull();
});

test("a cancelled run whose worker runs when its configuration breaks is stopped and ends", async () => {
  const run = await submit(fresh([{ name: "base" }]));
  await expect.poll(async () => (await agent.sync()).assignments.length + agent.held.size).toBe(1);
  const [held] = [...agent.held.values()];
  await agent.lines(held!.spec.attempt, success(held!.spec).lines!.slice(0, 1));
  await plane.database.$executeRaw`update "Stage" set spec = '{"gates": 5}' where "runId" = ${run}`;
  await plane.stop();
  plane = await startControlPlane(servers.database, patient);
  const next = new ScriptedAgent(plane);
  for (const [attempt, one] of agent.held) next.held.set(attempt, one);
  await expect.poll(() => quarantined(run)).not.toBeNull();
  await cancelRun(plane.database, run);
  await expect.poll(async () => (await next.sync()).stop.length).toBe(1);
  await next.exit(held!.spec.attempt, { code: 75 });
  await expect.poll(ended(run)).toBe(true);
  expect((await readRun(plane.database, run)).verdict.state).toBe("cancelled");
  expect(await plane.database.lease.count({ where: { attemptId: held!.spec.attempt } })).toBe(0);
});

/** The database refuses every move of a run's stages. */
async function refuseMoves(run: string): Promise<() => Promise<unknown>> {
  const db = plane.database;
  await db.$executeRawUnsafe(
    `create function no_${run}() returns trigger language plpgsql as 'begin raise exception ''this row is broken''; end'`,
  );
  await db.$executeRawUnsafe(
    `create trigger no_${run} before update on "Stage" for each row
      when (old."runId" = '${run}' and new.state <> old.state) execute function no_${run}()`,
  );
  return () => db.$executeRawUnsafe(`drop trigger no_${run} on "Stage"`);
}

test("a transaction that the database refuses stops its own run alone", async () => {
  const sketches = fresh(chain);
  const broken = await submitBroken({ needs: ["nowhere"] }, sketches);
  const mend = await refuseMoves(broken);
  const { spec } = runOf(sketches).stages[0]!;
  await plane.database.stage.update({ where: { id: `${broken}-base-g1` }, data: { spec } });
  const sound = await submit(fresh(chain));
  await agent.work((spec) => success(spec), ended(sound));
  await expect.poll(async () => (await quarantined(broken))?.error).toMatch(/this row is broken/);
  await mend();
  await agent.work((spec) => success(spec), ended(broken));
  expect(await events(broken)).toContain("run.released");
});

test("of two runs that change places in one transaction, the broken one alone stays behind", async () => {
  agent.slots = 1;
  // Nobody begins it, and it has no second try: its end frees the place in the look that gives it to the next.
  const first = await submitBroken({ retry: { infra: 0, numeric: 0, user: 0 } }, fresh([{ name: "base" }]));
  await expect.poll(async () => (await agent.sync()).assignments.length + agent.held.size).toBe(1);
  const second = await submit(fresh([{ name: "base" }]));
  await plane.look();
  const mend = await refuseMoves(first);
  const errorOfFirst = async () => {
    await agent.sync();
    return (await quarantined(first))?.error;
  };
  await expect.poll(errorOfFirst, { timeout: 30_000 }).toMatch(/this row is broken/);
  // It has what the broken one holds until that can end.
  expect((await stagesOf(second)).map(({ state }) => state)).toEqual(["READY"]);
  agent.slots = 2;
  await agent.work((spec) => success(spec), ended(second));
  expect(await quarantined(second)).toBeNull();
  expect(await ended(first)()).toBe(false);
  await mend();
  await agent.work((spec) => success(spec), ended(first));
});

test("a place is free when its process is gone, also while its run is in quarantine", async () => {
  agent = new ScriptedAgent(plane, "one-place");
  agent.slots = 1;
  const broken = await submit(fresh(chain));
  await agent.work(
    () => ({}),
    async () => [...agent.held.keys()].some((attempt) => attempt.startsWith(broken)),
  );
  // Of rows that are kept in memory only the next serve finds out.
  await plane.stop();
  await plane.database.stage.update({ where: { id: `${broken}-tune-g1` }, data: { spec: { name: 7 } } });
  plane = await startControlPlane(servers.database, patient);
  const next = new ScriptedAgent(plane, "one-place");
  next.slots = 1;
  for (const [attempt, held] of agent.held) next.held.set(attempt, held);
  await next.sync();
  await plane.look();
  expect(await quarantined(broken)).not.toBeNull();
  for (const attempt of next.held.keys()) await next.exit(attempt, { code: 0 });
  expect(await plane.database.lease.count({ where: { nodeId: "one-place" } })).toBe(0);

  const other = await submit(fresh([{ name: "base" }]));
  await next.work((spec) => success(spec), ended(other));
  expect((await stagesOf(other)).map(({ state }) => state)).toEqual(["SUCCEEDED"]);
  // Its agent has left.
  await plane.database.node.update({ where: { id: "one-place" }, data: { heartbeatAt: new Date(0) } });
});

/** Looks over the same records, by a clock of the test's, and how often they read. */
function countingReconciler(term: number) {
  const { database, times } = plane;
  const reader = new SnapshotReader(database, times.cooldown, times.backoffLimit);
  const seen = { reads: 0, elapsed: 0 };
  const reconciler = new Reconciler(
    {
      read: () => {
        seen.reads++;
        return reader.read();
      },
      lookUpCache: async () => new Map(),
      commit: (happenings, bells) => commitHappenings(database, happenings, { bells }),
      quarantined: () => readQuarantine(database),
      quarantine: (runs, happenings) => noteQuarantine(database, runs, happenings, term),
      release: (run, happenings) => endQuarantine(database, run, happenings, term),
      isTrouble: () => false,
    },
    policyOf(times),
    createLog({ level: "error" }),
    () => seen.elapsed,
  );
  return { reconciler, seen };
}

test("a run whose rows are others at each try costs a look ten rounds once, and one whenever it is tried again", async () => {
  const run = await submit(fresh([{ name: "base" }]));
  await expect
    .poll(async () => (await agent.sync()) && [...agent.held.keys()].some((one) => one.startsWith(run)))
    .toBe(true);
  const [attempt] = [...agent.held.values()].map(({ spec }) => spec).filter((spec) => spec.job.run === run);
  await agent.lines(attempt!.attempt, success(attempt!).lines!.slice(0, 1));
  await plane.stop();
  const { database, times } = plane;
  const left = { epoch: attempt!.epoch, code: 65, signal: null, lost: false };
  expect(await recordExit(database, attempt!.attempt, left)).toBe(true);
  await database.shard.updateMany({ where: { stage: { runId: run } }, data: { epoch: 99 } });
  const { term } = await database.leader.findFirstOrThrow();
  const { reconciler, seen } = countingReconciler(term);
  await reconciler.look();
  expect((await quarantined(run))?.error).toMatch(/its rows were others/);
  expect(seen.reads).toBe(10);
  seen.elapsed += times.backoffLimit;
  await reconciler.look();
  expect(await quarantined(run)).toMatchObject({ tries: 2 });
  expect(seen.reads).toBe(11);
  await database.shard.updateMany({ where: { stage: { runId: run } }, data: { epoch: attempt!.epoch } });
  seen.elapsed += times.backoffLimit;
  await reconciler.look();
  expect(await quarantined(run)).toBeNull();
  plane = await startControlPlane(servers.database, patient);
  await expect.poll(ended(run)).toBe(true);
});

test("of many runs that are due, a few are tried at a time; what a person wants is tried at once", () => {
  const { times } = plane;
  const names = Array.from({ length: 100 }, (_, i) => `r${i}`);
  const rows = {
    ...{ shards: [], tallies: [], nextTryAt: null, attempts: [], artifacts: [], gates: [], nodes: [] },
    ...{ leases: [], faults: [], stages: [], now: new Date() },
    runs: names.map((id) => ({ id, config: {}, priority: 0 })),
  };
  const quarantine = new Quarantine([], times);
  for (const run of names) quarantine.failed(run, "broken", rows, 0);
  const tried = new Set<string>();
  let elapsed = times.backoffLimit;
  for (; tried.size < names.length && elapsed < 3 * times.backoffLimit; elapsed = quarantine.nextDue()!) {
    const aside = quarantine.aside(rows, elapsed);
    const turn = names.filter((run) => !aside.has(run));
    expect(turn.length).toBeLessThanOrEqual(16);
    for (const run of turn) tried.add(run);
    for (const run of turn) quarantine.failed(run, "broken", rows, elapsed);
    expect(quarantine.nextDue()! - elapsed).toBeGreaterThanOrEqual(times.reconcile / 10);
    expect(quarantine.aside(rows, elapsed).size).toBe(names.length);
  }
  expect(tried.size).toBe(names.length);
  const wanted = { ...rows, runs: rows.runs.map((run, i) => (i === 3 ? { ...run, priority: 9 } : run)) };
  expect(quarantine.aside(wanted, elapsed - 1).has("r3")).toBe(false);
});

test("the log, replayed, gives the rows of all of this", async () => {
  await expectReplayGivesRows(plane.database);
});
