import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "../../../src/core/log.ts";
import { Agent } from "../../../src/dispatch/agent/agent.ts";
import { ArtifactClient } from "../../../src/dispatch/agent/far/artifact-client.ts";
import { FarStore } from "../../../src/dispatch/agent/far/far-store.ts";
import { ServeClient } from "../../../src/dispatch/agent/serve-client.ts";
import { TimerDoorbell } from "../../../src/dispatch/doorbell/timer-doorbell.ts";
import { ProcessEngine } from "../../../src/dispatch/process/process-engine.ts";
import { cancelRun } from "../../../src/records/cancel.ts";
import { resumeRun } from "../../../src/records/resume.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { writeArtifact } from "../../support/artifact-folder.ts";
import { type BadLine, openBadLine } from "../../support/bad-line.ts";
import { type ControlPlane, startControlPlane } from "../../support/control-plane.ts";
import { runOf, type StageSketch } from "../../support/pipelines.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { type Servers, startServers } from "../../support/servers.ts";

const mebi = 1024 * 1024;
const patient = { timeout: 40_000 };
let servers: Servers;
let plane: ControlPlane;
let line: BadLine;
let far: string;
let agent: Agent | undefined;
let run: Promise<void>;

beforeEach(async () => {
  servers = await startServers();
  plane = await startControlPlane(
    servers.database,
    { lease: 4000, dispatch: 4000, grace: 600_000 },
    servers.home,
  );
  line = await openBadLine(plane.address);
  far = mkdtempSync(join(tmpdir(), "legalone-far-"));
});
afterEach(async () => {
  await agent?.stopWorkers(0);
  agent?.leave();
  await run;
  await line.close();
  await plane.stop();
  await servers.stop();
  removeFolder(far);
});

/** The script of a worker that delivers the folder `made` as a model. */
const delivers = (content: string) => `mkdir -p output; cp -r "${join(far, "made")}" output/model
  say '"type":"artifact","kind":"model","path":"output/model","sha256":"${content}","bytes":1'
  say '"type":"result","status":"succeeded"'`;

/** A far agent whose workers are these shell scripts, by stage. */
function startAgent(scripts: Record<string, string>): void {
  const log = createLog({ file: join(far, "agent.log") });
  const find = () => ({ address: line.address, token: plane.token });
  const attempts = join(far, "attempts");
  const prelude = `say() { printf '{"at":"2026-01-01T00:00:00Z",%s}\\n' "$1" >> events.jsonl; }\n`;
  agent = new Agent({
    node: "far",
    home: far,
    engines: [new ProcessEngine({ attempts, node: "far", env: { PATH: process.env.PATH } })],
    client: new ServeClient(find),
    doorbell: new TimerDoorbell(log),
    facts: () => ({
      ...{ pid: 1, build: "b", address: "far", npus: 0, slots: 1, info: {} },
      workspace: "",
    }),
    launchOf: (spec) => ({
      ...{ attempt: spec.attempt, epoch: spec.epoch, job: spec.job, env: spec.env },
      folder: join(attempts, spec.attempt),
      main: ["/bin/sh", "-c", prelude + scripts[String(spec.job.stage)]],
    }),
    farStore: new FarStore({ client: new ArtifactClient(find), home: far, models: far, log }),
    log,
    syncMs: 50,
  });
  run = agent.run();
}

async function submit(stages: StageSketch[]): Promise<void> {
  await submitRun(plane.database, runOf(stages));
  await plane.look();
}

const types = async () =>
  (await plane.database.event.findMany({ orderBy: { id: "asc" } })).map(({ type }) => type);
const statesOf = async () =>
  (await plane.database.stage.findMany({ orderBy: { position: "asc" } })).map(({ state }) => state);

test("while a checkpoint is on a slow line for several leases, the attempt lives, its steps are seen, and its order holds", {
  timeout: 90_000,
}, async () => {
  const { manifest } = writeArtifact(join(far, "made"), { "model.bin": Buffer.alloc(9 * mebi, 1) });
  startAgent({
    a: `cp -r "${join(far, "made")}" step-5
      say '"type":"phase","phase":"training"'
      say '"type":"checkpoint","path":"step-5","step":5,"sha256":"${manifest}","bytes":1,"cursor":{}'
      n=5; while [ $n -lt 60 ]; do n=$((n+1)); say "\\"type\\":\\"progress\\",\\"step\\":$n,\\"of\\":60,\\"unit\\":\\"steps\\""; sleep 0.05; done
      say '"type":"result","status":"succeeded"'`,
  });
  line.bytesPerSecond = mebi;
  await submit([{ name: "a", outputs: [] }]);
  await expect
    .poll(async () => (await plane.database.attempt.findFirst())?.step ?? 0, patient)
    .toBeGreaterThan(8);
  // The row waits for its bytes; what came after the checkpoint is known all the same.
  expect(await plane.database.artifact.count()).toBe(0);
  await expect.poll(statesOf, patient).toEqual(["SUCCEEDED"]);
  expect(await plane.database.artifact.findMany()).toMatchObject([{ sha256: manifest, step: 5 }]);
  const seen = await types();
  expect(seen).not.toContain("attempt.unreachable");
  expect(seen.indexOf("worker.checkpoint")).toBeLessThan(seen.indexOf("worker.result"));
  expect(await plane.database.attempt.count()).toBe(1);
});

test("while inputs are on a slow line for several leases, the start is waited for and made once", {
  timeout: 90_000,
}, async () => {
  const { content } = writeArtifact(join(far, "made"), { "model.bin": Buffer.alloc(9 * mebi, 2) });
  startAgent({
    a: delivers(content),
    b: `cat job.json > seen; say '"type":"result","status":"succeeded"'`,
  });
  await submit([
    { name: "a", outputs: ["model"] },
    { name: "b", needs: ["a"], outputs: [] },
  ]);
  await expect.poll(() => plane.database.artifact.count(), patient).toBe(1);
  // As if another node had made it.
  rmSync(join(far, "artifacts"), { recursive: true });
  line.bytesPerSecond = mebi;
  await expect.poll(statesOf, patient).toEqual(["SUCCEEDED", "SUCCEEDED"]);
  const attempts = await plane.database.attempt.findMany({ orderBy: { dispatchedAt: "asc" } });
  expect(attempts.map(({ state }) => state)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
  expect(attempts[1]!.startedAt!.getTime() - attempts[1]!.dispatchedAt.getTime()).toBeGreaterThan(4000);
  const job = JSON.parse(readFileSync(join(far, "attempts", attempts[1]!.id, "job.json"), "utf8")) as {
    inputs: { uri: string }[];
  };
  expect(job.inputs.map(({ uri }) => uri)).toEqual([`file://${far}/artifacts/${content}`]);
});

test("a cancel while inputs are on the line ends the transfer and the stage", {
  timeout: 90_000,
}, async () => {
  const { content } = writeArtifact(join(far, "made"), { "model.bin": Buffer.alloc(9 * mebi, 3) });
  startAgent({
    a: delivers(content),
    b: "touch started",
  });
  await submit([
    { name: "a", outputs: ["model"] },
    { name: "b", needs: ["a"], outputs: [] },
  ]);
  await expect.poll(() => plane.database.artifact.count(), patient).toBe(1);
  rmSync(join(far, "artifacts"), { recursive: true });
  line.bytesPerSecond = mebi / 4;
  const fetching = join(far, "artifacts", `.fetch-${content}`, "parts", "0");
  await expect.poll(() => existsSync(fetching), patient).toBe(true);
  const { id } = await plane.database.run.findFirstOrThrow();
  await cancelRun(plane.database, id, "test");
  await plane.look();
  await expect.poll(statesOf, patient).toEqual(["SUCCEEDED", "CANCELLED"]);
  await expect.poll(() => readFileSync(join(far, "agent.log"), "utf8")).toContain("not started yet");
  const { size } = statSync(fetching);
  await sleep(500);
  expect(statSync(fetching).size).toBe(size);
});

test("a store that takes nothing keeps no cancelled run from its end", { timeout: 90_000 }, async () => {
  await plane.stop();
  await line.close();
  const quick = { lease: 4000, dispatch: 4000, grace: 3000 };
  plane = await startControlPlane(servers.database, quick, servers.home);
  line = await openBadLine(plane.address);
  mkdirSync(join(servers.home, "artifacts"), { recursive: true });
  writeFileSync(join(servers.home, "artifacts", ".uploads"), "a file in the place of a folder");
  const { content } = writeArtifact(join(far, "made"), { "model.bin": Buffer.alloc(1000, 5) });
  startAgent({ a: delivers(content) });
  await submit([{ name: "a", outputs: ["model"] }]);
  const refusals = () => readFileSync(join(far, "agent.log"), "utf8").split("an upload stopped").length;
  await expect.poll(refusals, patient).toBeGreaterThan(2);
  // Longer than lease and grace: it is held as long as nobody wants its end.
  await sleep(9000);
  expect(await plane.database.attempt.count()).toBe(1);
  const { id } = await plane.database.run.findFirstOrThrow();
  await cancelRun(plane.database, id, "test");
  await plane.look();
  await expect.poll(statesOf, patient).toEqual(["CANCELLED"]);
});

test("a checkpoint that is damaged at serve, with none before it, is given up, and its stage goes on from the beginning", {
  timeout: 90_000,
}, async () => {
  const { manifest } = writeArtifact(join(far, "made"), { "model.bin": Buffer.alloc(1000, 4) });
  startAgent({
    a: `case $(tr -d ' \\n' < job.json) in
      *'-a-g1-s0-e1"'*) cp -r "${join(far, "made")}" step-5
        say '"type":"checkpoint","path":"step-5","step":5,"sha256":"${manifest}","bytes":1,"cursor":{}'
        while [ ! -e die ]; do sleep 0.05; done; kill -9 $$;;
      *'"resume":null'*) say '"type":"result","status":"succeeded"';;
      *) say '"type":"result","status":"failed","reason":"data_error","message":"no sound checkpoint"'; exit 65;;
    esac`,
  });
  await submit([{ name: "a", outputs: [] }]);
  await expect.poll(() => plane.database.artifact.count(), patient).toBe(1);
  truncateSync(join(servers.home, "artifacts", manifest, "manifest.json"), 50);
  const [first] = readdirSync(join(far, "attempts"));
  rmSync(join(far, "attempts", first!, "step-5"), { recursive: true });
  writeFileSync(join(far, "attempts", first!, "die"), "");
  await expect.poll(statesOf, patient).toEqual(["FAILED"]);
  const run = (await plane.database.run.findFirstOrThrow()).id;
  expect(await resumeRun(plane.database, run)).toEqual(["a"]);
  await plane.look();
  await expect.poll(statesOf, patient).toEqual(["FAILED", "SUCCEEDED"]);
  const told = await plane.database.event.findMany({ where: { type: "worker.warning" } });
  expect(told.map(({ data }) => data)).toMatchObject([
    {
      code: "checkpoint_damaged",
      checkpoint: manifest,
      message: expect.stringMatching(/step 5 is damaged.*410/),
    },
  ]);
});

test("a model from outside that is not on the node is named", { timeout: 90_000 }, async () => {
  mkdirSync(join(far, "models"));
  startAgent({ a: "exit 0" });
  const outside = runOf([{ name: "a", outputs: [] }]);
  const spec = outside.stages[0]!.spec as { inputs: object[] };
  spec.inputs.push({ kind: "model", stage: null, uri: "file:///nowhere/model", sha256: "0".repeat(64) });
  await submitRun(plane.database, outside);
  await plane.look();
  await expect
    .poll(async () => (await plane.database.attempt.findFirst())?.message ?? "")
    .toMatch(/model comes from outside the run and is not on this node: file:\/\/\/nowhere\/model/);
});
