import { afterAll, beforeAll, expect, test } from "vitest";
import { readRun } from "../../src/records/reads/runs.ts";
import { submitRun } from "../../src/records/runs.ts";
import { startProgram } from "../support/command-line.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { type Line, linesOf } from "../support/json-lines.ts";
import { runOf } from "../support/pipelines.ts";
import { expectReplayGivesRows } from "../support/replay-check.ts";
import { line, ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let plane: ControlPlane;
let agent: ScriptedAgent;
beforeAll(async () => {
  servers = await startServers();
  // The scripts say nothing while commands run.
  const patient = { lease: 600_000, dispatch: 600_000, nodeSilence: 600_000, stall: 600_000 };
  plane = await startControlPlane(servers.database, patient);
  agent = new ScriptedAgent(plane);
  agent.slots = 4;
});
afterAll(async () => {
  await plane.stop();
  await servers.stop();
});

/** The command line, beside this serve. */
async function legalone(...words: string[]) {
  const env = { ...process.env, LEGALONE_SERVE_URL: plane.address, NO_COLOR: "1" };
  const outcome = await startProgram(words, env, servers.home).ended;
  expect(outcome.stderr).not.toMatch(/E_BUG|TypeError/);
  return outcome;
}

const stageOf = (run: string) => plane.database.stage.findFirstOrThrow({ where: { runId: run } });
const ended = (run: string) => async () => (await stageOf(run)).endedAt !== null;

const submit = async (name: string, work: number) =>
  (await submitRun(plane.database, runOf([{ name, with: { work } }]))).run;
const waitsFor = (run: string) => async () => (await stageOf(run)).waitsFor;

/** One run whose worker runs, and one behind it that waits for it. */
async function beginTwo(work: number): Promise<{ first: string; second: string; attempt: string }> {
  const first = await submit("base", work);
  await expect.poll(async () => (await agent.sync()) && agent.held.size).toBe(1);
  const attempt = [...agent.held.keys()][0]!;
  await agent.lines(attempt, [line.started(agent.held.get(attempt)!.spec)]);
  const second = await submit("base", work);
  await expect.poll(waitsFor(second)).toBe(`${first}-base-g1`);
  return { first, second, attempt };
}

/** Of the second run, as the command line has it. */
async function told(second: string): Promise<{ text: string; stage: Line }> {
  const { stdout: text } = await legalone("status", second);
  const stage = linesOf(await legalone("status", second, "--json")).find(({ type }) => type === "stage")!;
  return { text, stage };
}

test("the second run waits, status names the run it waits for, and looks write nothing more; it is skipped with the outputs", async () => {
  const { first, second, attempt } = await beginTwo(1);
  const { text, stage } = await told(second);
  expect(text).toContain(`base waits for run ${first}, which makes the same`);
  expect(stage.waitsFor).toEqual({ run: first, stage: `${first}-base-g1` });
  for (let look = 0; look < 5; look++) await plane.look();
  const waits = { runId: second, type: "stage.waits" };
  expect(await plane.database.event.count({ where: waits })).toBe(1);
  await agent.play(attempt, success(agent.held.get(attempt)!.spec));
  await expect.poll(ended(second)).toBe(true);
  const after = await told(second);
  expect(after.stage).toMatchObject({
    state: "SKIPPED",
    cachedRun: first,
    cachedSeconds: expect.any(Number),
    waitsFor: null,
  });
  expect(after.stage.artifacts).toMatchObject([{ kind: "model" }]);
  expect(after.text).not.toContain("waits for run");
});

test("the first run fails: the second trains", async () => {
  const { first, second, attempt } = await beginTwo(2);
  await agent.play(attempt, { lines: [line.failed("user_error", "no")], exit: { code: 64 } });
  const started = await agent.work((next) => success(next), ended(second));
  expect(started.map(({ job }) => job.run)).toEqual([second]);
  expect((await readRun(plane.database, first)).verdict.state).toBe("failed");
  expect((await told(second)).stage).toMatchObject({ state: "SUCCEEDED", waitsFor: null });
});

test("the first run is cancelled: the second trains, while the worker of the first still saves", async () => {
  const { first, second, attempt } = await beginTwo(3);
  expect(linesOf(await legalone("cancel", first, "--json"))[0]).toMatchObject({ stages: ["base"] });
  await agent.work((next) => success(next), ended(second));
  expect((await readRun(plane.database, second)).verdict.state).toBe("succeeded");
  await agent.exit(attempt, { code: 75 });
  await expect.poll(ended(first)).toBe(true);
});

/** A run whose stage begins with a checkpoint of another run, as `fork` submits it. */
async function submitFork(checkpoint: string, work: number): Promise<string> {
  const run = runOf([{ name: "base", with: { work } }]);
  const stages = run.stages.map((stage) => ({ ...stage, startFrom: checkpoint }));
  return (await submitRun(plane.database, { ...run, stages })).run;
}

test("of equal forks the second waits and takes the outputs of the first; where that fails it goes on from the checkpoint", async () => {
  const old = await submit("base", 5);
  await agent.work((spec) => {
    const [first, ...others] = success(spec).lines!;
    return { lines: [first!, line.checkpoint(5), ...others], exit: { code: 0 } };
  }, ended(old));
  const { id: checkpoint } = await plane.database.artifact.findFirstOrThrow({
    where: { runId: old, kind: "checkpoint" },
  });
  for (const fails of [false, true]) {
    const work = fails ? 7 : 6;
    const one = await submitFork(checkpoint, work);
    await expect.poll(async () => (await agent.sync()) && agent.held.size).toBe(1);
    const { spec } = [...agent.held.values()][0]!;
    expect(spec.job.resume).toMatchObject({ step: 5, fork: true });
    await agent.lines(spec.attempt, [line.started(spec)]);
    const two = await submitFork(checkpoint, work);
    await expect.poll(waitsFor(two)).toBe(`${one}-base-g1`);
    const bad = { lines: [line.failed("user_error", "no")], exit: { code: 64 } };
    await agent.play(spec.attempt, fails ? bad : { ...success(spec), lines: success(spec).lines!.slice(1) });
    const started = await agent.work((next) => success(next), ended(two));
    expect(started.map(({ job }) => job.run)).toEqual(fails ? [two] : []);
    if (fails) expect(started[0]!.job.resume).toMatchObject({ step: 5, fork: true });
    expect(await stageOf(two)).toMatchObject({ state: fails ? "SUCCEEDED" : "SKIPPED", waitsFor: null });
  }
});

test("a run lends its priority to the stage it waits for", async () => {
  agent.slots = 1;
  await submit("before", 4);
  await expect.poll(async () => (await agent.sync()) && agent.held.size).toBe(1);
  const { spec } = [...agent.held.values()][0]!;
  const between = await submit("between", 4);
  const first = await submit("base", 4);
  await expect.poll(async () => (await stageOf(first)).state).toBe("READY");
  const second = await submit("base", 4);
  await expect.poll(waitsFor(second)).toBe(`${first}-base-g1`);
  await plane.database.run.update({ where: { id: second }, data: { priority: 9 } });
  await plane.database.run.update({ where: { id: between }, data: { priority: 5 } });
  await agent.play(spec.attempt, success(spec));
  const started = await agent.work((next) => success(next), ended(between));
  expect(started.map(({ job }) => job.run)).toEqual([first, between]);
});

test("the log, replayed, gives the rows of all of this", async () => {
  await expectReplayGivesRows(plane.database);
});
