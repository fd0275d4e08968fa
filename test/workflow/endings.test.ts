import { afterAll, beforeAll, expect, test } from "vitest";
import { cancelRun } from "../../src/records/cancel.ts";
import { readRun } from "../../src/records/reads/runs.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { runOf, type StageSketch } from "../support/pipelines.ts";
import { expectReplayGivesRows } from "../support/replay-check.ts";
import { line, ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let plane: ControlPlane;
let agent: ScriptedAgent;
let counter = 0;
beforeAll(async () => {
  servers = await startServers();
  // Nothing here is about silence: a busy machine must not look like a dead one.
  plane = await startControlPlane(servers.database, { nodeSilence: 60_000, lease: 60_000 });
  agent = new ScriptedAgent(plane);
});
afterAll(async () => {
  await plane.stop();
  await servers.stop();
});

/** A run that no cache knows. */
async function submit(stages: StageSketch[]): Promise<string> {
  const codeHash = `code ${counter++}`;
  const { run } = await submitRun(plane.database, runOf(stages.map((stage) => ({ ...stage, codeHash }))));
  return run;
}
const verdict = async (run: string) => (await readRun(plane.database, run)).verdict;
const ended = (run: string) => async () => (await verdict(run)).ended;
const states = async (run: string) =>
  (await readRun(plane.database, run)).stages.map(({ name, state, reason }) => `${name} ${state} ${reason}`);

test("a gate that does not hold ends the run with exit code 10; the stage keeps its outputs", async () => {
  const gate = {
    metric: "legal_ppl",
    comparison: "below" as const,
    against: { stage: "base", metric: "legal_ppl" },
  };
  const run = await submit([
    { name: "base" },
    { name: "midtrain", needs: ["base"], gates: [gate] },
    { name: "sft", needs: ["midtrain"] },
    { name: "export", needs: ["sft"] },
  ]);
  const value = (stage: unknown) => (stage === "base" ? 358 : 366);
  await agent.work((spec) => success(spec, ["model"], { legal_ppl: value(spec.job.stage) }), ended(run));
  expect(await verdict(run)).toMatchObject({ state: "gate_failed", exitCode: 10, stage: "midtrain" });
  expect(await states(run)).toEqual([
    "base SUCCEEDED completed",
    "midtrain SUCCEEDED completed",
    "sft CANCELLED gate_failed",
    "export CANCELLED upstream_failed",
  ]);
});

test("a worker that was killed is tried again from its last checkpoint; the old epoch changes nothing", async () => {
  const run = await submit([{ name: "midtrain" }]);
  const old = { epoch: 1, offset: 0, bytes: 10, lines: [line.checkpoint(99)] };
  const started = await agent.work((spec) => {
    if (spec.epoch > 1) return success(spec);
    const lines = [line.started(spec), line.checkpoint(10), line.checkpoint(20)];
    return { lines, exit: { code: null, signal: "SIGKILL" } };
  }, ended(run));
  expect(started.map(({ job }) => (job.resume as { step: number } | null)?.step)).toEqual([undefined, 20]);
  expect((await verdict(run)).state).toBe("succeeded");
  const attempts = await plane.database.attempt.findMany({
    where: { id: { startsWith: run } },
    orderBy: { epoch: "asc" },
  });
  expect(attempts).toMatchObject([
    { state: "FAILED", reason: "killed", cause: "NODE", signal: "SIGKILL" },
    {
      state: "SUCCEEDED",
      reason: "completed",
      cause: null,
      resumeFrom: expect.stringContaining("-e1-checkpoint-"),
    },
  ]);
  expect((await agent.post(`/v1/attempts/${started[0]?.attempt}/events`, old)).status).toBe(409);
  expect(await plane.database.artifact.count({ where: { runId: run, step: 99 } })).toBe(0);
});

test("a stage that failed is resumed as its next generation, from its checkpoint; what succeeded stays", async () => {
  const run = await submit([
    { name: "base" },
    { name: "midtrain", needs: ["base"] },
    { name: "export", needs: ["midtrain"] },
  ]);
  await agent.work((spec) => {
    if (spec.job.stage !== "midtrain") return success(spec);
    const lines = [line.started(spec), line.checkpoint(40), line.failed("data_error", "line 7 of data.bin")];
    return { lines, exit: { code: 65 } };
  }, ended(run));
  expect(await verdict(run)).toMatchObject({
    state: "failed",
    exitCode: 4,
    stage: "midtrain",
    message: "line 7 of data.bin",
  });
  expect(await resumeRun(plane.database, run)).toEqual(["midtrain", "export"]);
  const again = await agent.work(success, ended(run));
  expect(again.map(({ job }) => [job.stageId, (job.resume as { step: number } | null)?.step])).toEqual([
    [`${run}-midtrain-g2`, 40],
    [`${run}-export-g2`, undefined],
  ]);
  expect((await verdict(run)).exitCode).toBe(0);
  const first = await plane.database.stage.findUniqueOrThrow({ where: { id: `${run}-midtrain-g1` } });
  expect(first).toMatchObject({ state: "FAILED", reason: "data_error" });
});

test("cancel reaches the worker with the next answer; the run ends with exit code 5", async () => {
  const run = await submit([{ name: "base" }, { name: "export", needs: ["base"] }]);
  await plane.look();
  const [spec] = (await agent.sync()).assignments;
  expect((await agent.lines(spec!.attempt, [line.started(spec!)])).body.desired).toBe("RUN");
  await cancelRun(plane.database, run);
  expect((await agent.lines(spec!.attempt, [line.heartbeat()])).body.desired).toBe("STOP");
  await plane.look();
  expect((await agent.sync()).stop).toEqual([
    { attempt: spec!.attempt, graceSeconds: plane.times.stop / 1000 },
  ]);
  await agent.play(spec!.attempt, { lines: [line.checkpoint(3)], exit: { code: 75 } });
  await plane.look();
  expect(await verdict(run)).toMatchObject({ state: "cancelled", exitCode: 5 });
  expect(await states(run)).toEqual(["base CANCELLED cancelled", "export CANCELLED cancelled"]);
});

test("cancel before the agent has begun needs no worker to answer", async () => {
  const run = await submit([{ name: "base" }]);
  await plane.look();
  await cancelRun(plane.database, run);
  await plane.look();
  expect((await agent.sync()).assignments).toEqual([]);
  await plane.look();
  expect((await verdict(run)).state).toBe("cancelled");
});

test("an attempt that its agent no longer knows is lost, and tried again", async () => {
  const run = await submit([{ name: "base" }]);
  let lost = "";
  const started = await agent.work(
    (spec) => {
      if (spec.epoch > 1) return success(spec);
      lost = spec.attempt;
      agent.held.set(lost, { spec, offset: 0 });
      return { lines: [line.started(spec)] };
    },
    async () => {
      agent.held.delete(lost);
      return (await verdict(run)).ended;
    },
  );
  expect(started.map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect(await plane.database.attempt.findUnique({ where: { id: lost } })).toMatchObject({
    state: "LOST",
    cause: "NODE",
  });
});

test("PostgreSQL goes away and comes back: agents are told to wait, and the run goes on", async () => {
  const run = await submit([{ name: "base" }, { name: "export", needs: ["base"] }]);
  await plane.look();
  const [spec] = (await agent.sync()).assignments;
  await agent.lines(spec!.attempt, [line.started(spec!)]);
  await stopPostgres(servers.home);
  const away = await agent.lines(spec!.attempt, [line.heartbeat()]);
  expect([away.status, away.body.code]).toEqual([503, "E_DATABASE"]);
  await plane.look();
  await startPostgres(servers.home);
  await expect
    .poll(() => agent.lines(spec!.attempt, [line.heartbeat()]).then(({ status }) => status))
    .toBe(200);
  await agent.play(spec!.attempt, { lines: [line.artifact("model"), line.succeeded()], exit: { code: 0 } });
  await agent.work(success, ended(run));
  expect((await verdict(run)).state).toBe("succeeded");
});

test("the API asks for its token and checks bodies", async () => {
  const url = new URL("/v1/nodes/n1/sync", plane.address);
  expect((await fetch(url, { method: "POST" })).status).toBe(401);
  const bad = await agent.post("/v1/attempts/x/events", { epoch: 0, lines: [] });
  expect([bad.status, bad.body.message]).toEqual([400, expect.stringContaining("epoch")]);
  const health = await fetch(new URL("/healthz", plane.address));
  expect(await health.json()).toMatchObject({ ok: true, database: true });
});

test("replaying the log of all these runs gives the rows", () => expectReplayGivesRows(plane.database));
