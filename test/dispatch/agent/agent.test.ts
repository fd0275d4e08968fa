import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLog } from "../../../src/core/log.ts";
import { Agent } from "../../../src/dispatch/agent/agent.ts";
import { newestProgress } from "../../../src/dispatch/agent/event-tail.ts";
import { ServeClient } from "../../../src/dispatch/agent/serve-client.ts";
import type { LaunchSpec } from "../../../src/dispatch/api/contract.ts";
import { TimerDoorbell } from "../../../src/dispatch/doorbell/timer-doorbell.ts";
import { ProcessEngine } from "../../../src/dispatch/process/process-engine.ts";
import { writeArtifact } from "../../support/artifact-folder.ts";
import { ScriptedServe } from "../../support/scripted-serve.ts";
import { openWorkspace, type TestWorkspace } from "../../support/servers.ts";

let workspace: TestWorkspace;
let serve: ScriptedServe;
const agents: { agent: Agent; run: Promise<void> }[] = [];
let serial = 0;

beforeEach(async () => {
  workspace = openWorkspace();
  serve = new ScriptedServe();
  await serve.open();
});
afterEach(async () => {
  for (const { agent } of agents) await agent.stopWorkers(0);
  for (const { agent, run } of agents.splice(0)) {
    agent.leave();
    await run;
  }
  await serve.close();
  workspace.remove();
});

/** An agent on this workspace; its workers are shell scripts that the job holds. */
function startAgent(): Agent {
  const { home } = workspace;
  const log = createLog({ file: join(home, "agent.log") });
  const attempts = join(home, "attempts");
  const agent = new Agent({
    node: "test",
    home,
    engines: [new ProcessEngine({ attempts, node: "test", env: { PATH: process.env.PATH } })],
    client: new ServeClient(() => ({ address: serve.address, token: serve.token })),
    doorbell: new TimerDoorbell(log),
    facts: () => ({ pid: 1, build: "b", address: "here", npus: 0, slots: 1, info: {} }),
    launchOf: (spec) => ({
      attempt: spec.attempt,
      epoch: spec.epoch,
      folder: join(attempts, spec.attempt),
      job: spec.job,
      main: ["/bin/sh", "-c", String(spec.job.script)],
      env: spec.env,
    }),
    log,
    syncMs: 50,
  });
  agents.push({ agent, run: agent.run() });
  return agent;
}

const prelude = `say() { printf '{"at":"2026-01-01T00:00:00Z",%s}\\n' "$1" >> events.jsonl; }\n`;

function specOf(script: string): LaunchSpec {
  const attempt = `r1-t-g1-s${serial++}-e1`;
  const job = { attempt, epoch: 1, script: prelude + script };
  return { attempt, epoch: 1, engine: "process", node: "test", kind: "t", job, env: {}, graceSeconds: 20 };
}

const folderOf = (spec: LaunchSpec) => join(workspace.home, "attempts", spec.attempt);

test("runs an assignment: its lines in order, then its exit, once", async () => {
  const spec = specOf(`say '"type":"started","attempt":"a","epoch":1,"pid":1'
    for n in 1 2 3; do say "\\"type\\":\\"metric\\",\\"name\\":\\"loss\\",\\"step\\":$n,\\"value\\":0.5"; done
    say '"type":"result","status":"succeeded"'`);
  const seen = serve.assign(spec);
  const agent = startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.lines.map((line) => (line as { step?: number }).step ?? line.type)).toEqual([
    "started",
    1,
    2,
    3,
    "result",
  ]);
  expect(seen.exits[0]).toMatchObject({ epoch: 1, code: 0, signal: null, lost: false });
  expect(seen.acknowledged).toBe(statSync(join(folderOf(spec), "events.jsonl")).size);
  await expect.poll(() => agent.held()).toEqual([]);
  await sleep(150);
  expect(seen.exits).toHaveLength(1);
});

test("a line is sent because it was written, not because time has passed", async () => {
  const spec = specOf("touch up; while [ ! -e done ]; do sleep 0.05; done");
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => existsSync(join(folderOf(spec), "up"))).toBe(true);
  await sleep(100);
  const took: number[] = [];
  for (let step = 1; step <= 10; step++) {
    const line = { type: "progress", at: new Date().toISOString(), step, of: 10, unit: "steps" };
    const began = performance.now();
    appendFileSync(join(folderOf(spec), "events.jsonl"), `${JSON.stringify(line)}\n`);
    while (seen.lines.length < step) await sleep(1);
    took.push(performance.now() - began);
  }
  appendFileSync(join(folderOf(spec), "done"), "");
  // The timer begins anew with every line that was sent, so it alone would find each after 500 ms. A busy machine is late
  // with some, not with all.
  expect(Math.min(...took)).toBeLessThan(250);
  await expect.poll(() => seen.exits.length).toBe(1);
});

test("an output is at its place before the line is sent, and the worker still finds it", async () => {
  const text = "weights";
  const hash = (data: string) => createHash("sha256").update(data).digest("hex");
  const sum = hash(`a.bin ${text.length} ${hash(text)}\n`);
  const manifest = JSON.stringify({ files: [{ path: "a.bin", size: text.length, sha256: hash(text) }] });
  const spec = specOf(`mkdir -p output/model; printf ${text} > output/model/a.bin
    printf '%s' '${manifest}' > output/model/manifest.json
    say '"type":"artifact","kind":"model","path":"output/model","sha256":"${sum}","bytes":7'
    while [ ! -L output/model ]; do sleep 0.02; done; cat output/model/a.bin
    say '"type":"result","status":"succeeded"'`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.lines[0]).toMatchObject({ type: "artifact", sha256: sum });
  expect(readFileSync(join(workspace.home, "artifacts", sum, "a.bin"), "utf8")).toBe(text);
  expect(readFileSync(join(folderOf(spec), "stdout.log"), "utf8")).toBe(text);
});

const saves = `save() {
    mkdir step-$1; printf '{"step":%s}' $1 > step-$1/manifest.json
    say "\\"type\\":\\"checkpoint\\",\\"path\\":\\"$PWD/step-$1\\",\\"step\\":$1,\\"bytes\\":1,\\"cursor\\":{},\\"sha256\\":\\"$(sha256sum step-$1/manifest.json | cut -c1-64)\\""
    old=$(($1 - 1)); mkdir -p claims
    if [ -d step-$old ] && ln -s worker claims/step-$old 2> /dev/null; then rm -r step-$old claims/step-$old; fi
  }\n`;

test("a checkpoint that serve may know stays while nobody hears of the next ones, and goes when one is committed", async () => {
  const spec = specOf(`${saves}
    save 1; touch first; while [ ! -e go ]; do sleep 0.02; done
    save 2; save 3; save 4; touch second; while [ ! -e end ]; do sleep 0.02; done`);
  spec.job.checkpoint = { keep: 1 };
  const folder = folderOf(spec);
  const steps = () => readdirSync(folder).filter((name) => name.startsWith("step-"));
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  serve.trouble = 503;
  appendFileSync(join(folder, "go"), "");
  await expect.poll(() => existsSync(join(folder, "second"))).toBe(true);
  // Step 2 went unless the agent had claimed it already to send it.
  expect(steps()).toEqual(expect.arrayContaining(["step-1", "step-4"]));
  serve.trouble = undefined;
  await expect.poll(() => seen.lines.at(-1)).toMatchObject({ type: "checkpoint", step: 4 });
  await expect.poll(steps).toEqual(["step-4"]);
  await expect.poll(() => readdirSync(join(folder, "claims"))).toEqual(["step-4"]);
  appendFileSync(join(folder, "end"), "");
  await expect.poll(() => seen.exits.length).toBe(1);
});

test("however long serve does not answer, checkpoints do not pile up: the agent keeps only what the records may name", async () => {
  const spec = specOf(`${saves}
    save 1; touch first; while [ ! -e go ]; do sleep 0.02; done
    for step in 2 3 4 5 6 7 8 9; do save $step; sleep 0.4; done
    touch second; while [ ! -e end ]; do sleep 0.02; done`);
  spec.job.checkpoint = { keep: 1 };
  const folder = folderOf(spec);
  const steps = () => readdirSync(folder).filter((name) => name.startsWith("step-"));
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  serve.trouble = 503;
  appendFileSync(join(folder, "go"), "");
  await expect.poll(() => existsSync(join(folder, "second")), { timeout: 30_000 }).toBe(true);
  // The one in the records, the one whose answer is not known, and the worker's own newest.
  expect(steps()).toEqual(expect.arrayContaining(["step-1", "step-9"]));
  expect(steps().length).toBeLessThanOrEqual(3);
  serve.trouble = undefined;
  await expect
    .poll(() => seen.lines.at(-1), { timeout: 30_000 })
    .toMatchObject({ type: "checkpoint", step: 9 });
  await expect.poll(steps).toEqual(["step-9"]);
  appendFileSync(join(folder, "end"), "");
  await expect.poll(() => seen.exits.length).toBe(1);
});

test("an input that was cut off reaches no worker: it is told, given up, and the attempt ends with a clear error", async () => {
  const folder = join(workspace.home, "made");
  const { content } = writeArtifact(folder, { "corpus.bin": Buffer.alloc(1000, 1) });
  mkdirSync(join(workspace.home, "artifacts"), { recursive: true });
  renameSync(folder, join(workspace.home, "artifacts", content));
  truncateSync(join(workspace.home, "artifacts", content, "corpus.bin"), 500);
  const spec = specOf("touch started");
  const uri = `legalone://artifacts/${content}`;
  spec.job.inputs = [{ kind: "corpus", stage: "data", uri, sha256: content, meta: {} }];
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.exits[0]).toMatchObject({
    reason: "data_error",
    message: expect.stringMatching(
      /corpus of data is damaged: corpus.bin: it has 500 bytes, .* legalone resume/,
    ),
  });
  expect(seen.lines).toMatchObject([{ type: "warning", code: "input_damaged", input: content }]);
  expect(existsSync(join(folderOf(spec), "started"))).toBe(false);
  expect(existsSync(join(workspace.home, "artifacts", content))).toBe(false);
});

test("the newest progress is looked for at the end of a file, however much a worker has written", () => {
  const file = join(workspace.home, "events.jsonl");
  const progress = (step: number) =>
    `${JSON.stringify({ type: "progress", at: "2026-01-01T00:00:00Z", step, of: 9, unit: "step" })}\n`;
  const other = `${JSON.stringify({ type: "warning", at: "2026-01-01T00:00:00Z", message: "x".repeat(90) })}\n`;
  const mebi = other.repeat(8000);
  writeFileSync(file, progress(1) + mebi + progress(2) + mebi.repeat(2));
  expect(newestProgress(file, 0)).toMatchObject({ step: 2 });
  expect(newestProgress(file, statSync(file).size)).toBeUndefined();
  appendFileSync(file, mebi.repeat(5));
  expect(newestProgress(file, 0)).toBeUndefined();
  expect(newestProgress(join(workspace.home, "none"), 0)).toBeUndefined();
});

test("an input that is not there reaches no worker, and no agent gives it up by looking", async () => {
  mkdirSync(join(workspace.home, "artifacts", "0".repeat(64)), { recursive: true });
  writeFileSync(join(workspace.home, "workspace.json"), '{"id":"w"}');
  const content = "1".repeat(64);
  const spec = specOf("touch started");
  spec.job.inputs = [
    { kind: "corpus", stage: "data", uri: `legalone://artifacts/${content}`, sha256: content },
  ];
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.exits[0]).toMatchObject({
    reason: "data_error",
    message: expect.stringContaining("corpus of data is not there"),
  });
  expect(seen.lines).toEqual([]);
  expect(existsSync(join(folderOf(spec), "started"))).toBe(false);
});

test("a checkpoint that its worker began to remove is not announced", async () => {
  const spec = specOf(`${saves} mkdir claims; ln -s worker claims/step-7; save 7`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  expect(seen.lines[0]).toMatchObject({ type: "warning", code: "output_refused" });
  expect(existsSync(join(folderOf(spec), "step-7"))).toBe(true);
});

test("values of variables stand in no line, and hide neither a number nor where an output lies", async () => {
  // The beginning of the workspace's path, and digits that stand in numbers too.
  const values = { LEGALONE_CORPUS: workspace.home.slice(0, -2), LEGALONE_JUDGE_KEY: "1234567" };
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
  const wrong = "f".repeat(64);
  const spec = specOf(`mkdir step-1; printf '{"step":1}' > step-1/manifest.json
    say '"type":"checkpoint","path":"'"$PWD"'/step-1","step":1,"bytes":1234567,"cursor":{},"sha256":"'$(sha256sum step-1/manifest.json | cut -c1-64)'"'
    say '"type":"metric","name":"loss","step":1234567,"value":1234567'
    say '"type":"warning","message":"key 1234567 of ${values.LEGALONE_CORPUS}/a"'
    say '"type":"artifact","kind":"model","path":"../1234567","sha256":"${wrong}","bytes":7'
    echo 'key 1234567' >> events.jsonl`);
  spec.job.with = { corpus: "${LEGALONE_CORPUS}/a", key_env: "LEGALONE_JUDGE_KEY" };
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  vi.unstubAllEnvs();
  expect(seen.lines).toMatchObject([
    { type: "checkpoint", step: 1, bytes: 1234567 },
    { type: "metric", step: 1234567, value: 1234567 },
    { type: "warning", message: "key ${LEGALONE_JUDGE_KEY} of ${LEGALONE_CORPUS}/a" },
    {
      type: "warning",
      code: "output_refused",
      message: expect.stringContaining("../${LEGALONE_JUDGE_KEY}: "),
    },
    { type: "warning", code: "not_json", message: expect.stringContaining("key ${LEGALONE_JUDGE_KEY}") },
  ]);
});

test("an output that is not what its line says is refused, and stays where it is", async () => {
  const manifest = JSON.stringify({ files: [{ path: "a.bin", size: 7, sha256: "0".repeat(64) }] });
  const wrong = "f".repeat(64);
  const spec = specOf(`mkdir -p output/model; printf weights > output/model/a.bin
    printf '%s' '${manifest}' > output/model/manifest.json
    say '"type":"artifact","kind":"model","path":"output/model","sha256":"${wrong}","bytes":7'
    say '"type":"artifact","kind":"model","path":"../../elsewhere","sha256":"${wrong}","bytes":7'
    say '"type":"checkpoint","path":"step-5","step":5,"sha256":"${wrong}","bytes":7'`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.lines.map((line) => (line as { code?: string }).code)).toEqual(Array(3).fill("output_refused"));
  expect(seen.lines[1]).toMatchObject({ message: expect.stringContaining("outside") });
  expect(lstatSync(join(folderOf(spec), "output/model")).isDirectory()).toBe(true);
});

test("lines that are no events become warnings that name their place; those behind them go on", async () => {
  const spec = specOf(`echo garbage >> events.jsonl
    say '"type":"metric","name":"loss","step":1,"value":"high"'
    say '"type":"heartbeat"'
    printf '{"type":"heart' >> events.jsonl`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.lines.map(({ type }) => type)).toEqual(["warning", "warning", "heartbeat", "warning"]);
  expect(seen.lines[0]).toMatchObject({ code: "not_json", message: expect.stringContaining("byte 0 ") });
  expect(seen.lines[1]).toMatchObject({
    code: "no_event",
    message: expect.stringContaining("value must be number"),
  });
  expect(seen.acknowledged).toBe(statSync(join(folderOf(spec), "events.jsonl")).size);
});

test("of lines that serve refuses, each is put aside alone", async () => {
  serve.refuseType = "phase";
  const spec =
    specOf(`printf '{"type":"metric","at":"2026-01-01T00:00:00Z","name":"\\377","step":0,"value":0}\\n' > lines
    for n in 1 2 3 4 5; do
      [ $n = 3 ] && printf '{"type":"phase","at":"2026-01-01T00:00:00Z","phase":"loading"}\\n' >> lines
      printf '{"type":"metric","at":"2026-01-01T00:00:00Z","name":"loss","step":%s,"value":0.5}\\n' $n >> lines
    done; cat lines >> events.jsonl`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  const said = seen.lines.map((line) => (line as { step?: number }).step ?? (line as { code?: string }).code);
  expect(said).toEqual([0, 1, 2, "line_refused", 3, 4, 5]);
  expect(seen.acknowledged).toBe(statSync(join(folderOf(spec), "events.jsonl")).size);
});

test("a text that no database holds is cleaned before it is sent, and a number beyond the bounds is put aside", async () => {
  const spec = specOf(`say '"type":"metric","name":"loss","step":1e300,"value":1'
    say '"type":"result","status":"failed","reason":"data_error","message":"at row \\u0000 of \\ud800 it broke","metrics":{"loss":1e999}'`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.lines).toMatchObject([
    {
      type: "warning",
      code: "no_event",
      message: expect.stringContaining("metric.step must be <= 9007199254740991"),
    },
    {
      type: "result",
      message: "at row \ufffd of \ufffd it broke",
      reason: "data_error",
      metrics: { loss: null },
    },
  ]);
});

test("a path that no file can have is refused like any other", async () => {
  const paths = ["x".repeat(3000), "file/model", "circle/model", ".", "..", "\0"];
  const lines = paths.map((path) =>
    JSON.stringify({
      type: "artifact",
      at: "2026-01-01T00:00:00Z",
      kind: "model",
      path,
      sha256: "f".repeat(64),
      bytes: 7,
    }),
  );
  const spec = specOf(`touch file; ln -s circle circle
    printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} >> events.jsonl; say '"type":"heartbeat"'`);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  const codes = seen.lines.map(({ type, code }) => code ?? type);
  expect(codes).toEqual([...paths.map(() => "output_refused"), "heartbeat"]);
});

test("while serve is away the worker goes on, and afterwards nothing is missing or double", async () => {
  const spec = specOf(
    `n=0; while [ $n -lt 30 ]; do n=$((n+1)); say "\\"type\\":\\"progress\\",\\"step\\":$n,\\"of\\":30,\\"unit\\":\\"steps\\""; sleep 0.03; done`,
  );
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.lines.length).toBeGreaterThan(2);
  await serve.close();
  await sleep(300);
  await serve.open();
  serve.trouble = 503;
  await sleep(200);
  serve.trouble = undefined;
  await expect.poll(() => seen.exits.length, { timeout: 15_000 }).toBe(1);
  expect(seen.lines.map((line) => (line as unknown as { step: number }).step)).toEqual(
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});

test("a token that serve does not know is told as an error, also where serve was away before", async () => {
  serve.trouble = 503;
  startAgent();
  const log = () => readFileSync(join(workspace.home, "agent.log"), "utf8");
  await expect.poll(log).toContain("no sync with serve");
  serve.trouble = 401;
  await expect
    .poll(log)
    .toMatch(/"level":"error","message":"serve refuses this agent's token","error":"serve answered 401/);
  await sleep(500);
  expect(log().split("refuses this agent").length).toBe(2);
});

test("a new agent adopts the worker, and sends on from where serve has read", async () => {
  const spec = specOf(`say '"type":"progress","step":1,"of":2,"unit":"steps"'
    while [ ! -e go ]; do sleep 0.02; done
    say '"type":"progress","step":2,"of":2,"unit":"steps"'; exit 75`);
  const seen = serve.assign(spec);
  const first = startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  first.leave();
  await agents[0]?.run;
  appendFileSync(join(folderOf(spec), "go"), "");
  await expect.poll(() => existsSync(join(folderOf(spec), "exit.json"))).toBe(true);
  const second = startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.exits[0]).toMatchObject({ code: 75 });
  expect(seen.lines.map((line) => (line as unknown as { step: number }).step)).toEqual([1, 2]);
  await expect.poll(() => second.held()).toEqual([]);
});

test("desired STOP in an answer, or in a sync, ends the worker politely", async () => {
  const polite = `trap 'say "\\"type\\":\\"result\\",\\"status\\":\\"stopped\\""; exit 75' TERM; say '"type":"heartbeat"'; while :; do sleep 0.02; done`;
  const spec = specOf(polite);
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  seen.desired = "STOP";
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.exits[0]).toMatchObject({ code: 75 });
  expect(seen.lines.at(-1)).toMatchObject({ type: "result", status: "stopped" });
});

test("a stale epoch: the worker is stopped, and nothing more is sent of it", async () => {
  const spec = specOf(`while :; do say '"type":"heartbeat"'; sleep 0.05; done`);
  const seen = serve.assign(spec);
  const agent = startAgent();
  await expect.poll(() => seen.lines.length).toBeGreaterThan(1);
  seen.stale = true;
  await expect.poll(() => existsSync(join(folderOf(spec), "exit.json"))).toBe(true);
  await expect.poll(() => agent.held()).toEqual([]);
  expect(seen.exits).toEqual([]);
});

test("an attempt that cannot be started is reported with its reason", async () => {
  const seen = serve.assign({ ...specOf("exit 0"), engine: "slurm" });
  startAgent();
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.exits[0]).toMatchObject({
    reason: "dispatch_failed",
    message: expect.stringContaining("slurm"),
  });
});

test("a worker that vanished without a word is reported lost", async () => {
  const spec = specOf("touch up; sleep 60");
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => existsSync(join(folderOf(spec), "up"))).toBe(true);
  const { pid } = JSON.parse(readFileSync(join(folderOf(spec), "pid.json"), "utf8")) as { pid: number };
  process.kill(-pid, "SIGKILL");
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.exits[0]).toMatchObject({ lost: true, code: null, signal: null });
});

/** What a hostile worker does in its folder, and how its attempt ends for serve; $foreign is a folder of somebody else. */
const hostile: Record<string, { script: string; exit: object; lines?: RegExp }> = {
  "a link for its event file": {
    script: 'rm -f events.jsonl; ln -s "$foreign/notes" events.jsonl',
    exit: { code: 0 },
  },
  "a pipe for its event file": { script: "rm -f events.jsonl; mkfifo events.jsonl", exit: { code: 0 } },
  "pipes for all notes": {
    script:
      "for n in job engine exit stop launch pid; do rm -f $n.json; mkfifo $n.json; done; mkfifo exit.json.new",
    exit: { code: 0 },
  },
  "links for all notes": {
    script:
      'for n in job.json engine.json stop.json exit.json exit.json.new reported; do ln -sf "$foreign/notes" $n; done',
    exit: {},
  },
  "a folder for exit.json": { script: "mkdir -p exit.json/x", exit: { lost: true } },
  "an exit nobody could have": {
    script: `printf '{"code":99999999999,"signal":"x y","at":"never"}' > exit.json`,
    exit: { lost: true },
  },
  "its folder removed": {
    script: 'd=$PWD; cd /; rm -rf "$d"; sleep 600',
    exit: { lost: true, reason: "dispatch_failed", message: expect.stringMatching(/somebody removed it/) },
  },
  "a link for its folder": {
    script: 'mv "$PWD" "$PWD.x"; ln -s "$foreign" "$PWD"; sleep 600',
    exit: {
      lost: true,
      reason: "dispatch_failed",
      message: expect.stringMatching(/put something in its place/),
    },
  },
  "a link for its claims": {
    script: `ln -s "$foreign" claims; mkdir step-1; echo '{"files":[]}' > step-1/manifest.json
      say "\\"type\\":\\"checkpoint\\",\\"path\\":\\"step-1\\",\\"step\\":1,\\"bytes\\":1,\\"sha256\\":\\"$(sha256sum step-1/manifest.json | cut -c1-64)\\""`,
    exit: { code: 0 },
    lines: /claims is a link, expected a folder/,
  },
  "an output of links, pipes and 20,000 files, with odd names": {
    script: `mkdir -p output/model; cd output/model; seq 20000 | xargs touch; mkfifo pipe; ln -s "$foreign" link
      touch "$(printf 'a\\nb\\033[2J')"; truncate -s 1T sparse; echo '{"files":[]}' > manifest.json; cd ../..
      say '"type":"artifact","kind":"model","path":"output/model","bytes":1,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"'`,
    exit: { code: 0 },
    lines: /is not in its manifest/,
  },
  "an event file with a hole": {
    script: 'truncate -s 32M events.jsonl; say \'"type":"result","status":"succeeded"\'',
    exit: { code: 0 },
    lines: /"succeeded"/,
  },
};

test("hostile workers change nothing outside of their folders, end with their reasons, and keep no other from its work", {
  timeout: 60_000,
}, async () => {
  const foreign = join(workspace.home, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "notes"), '{"type":"secret"}\n');
  const before = statSync(foreign).mtimeMs;
  const agent = startAgent();
  const all = Object.entries(hostile).map(([name, one]) => {
    return { name, ...one, seen: serve.assign(specOf(`foreign='${foreign}'; ${one.script}`)) };
  });
  await expect
    .poll(() => all.filter(({ seen }) => seen.exits.length > 0).length, { timeout: 45_000 })
    .toBeGreaterThan(all.length / 2);
  const good = serve.assign(specOf(`say '"type":"result","status":"succeeded"'`));
  await expect.poll(() => good.exits, { timeout: 45_000 }).toMatchObject([{ code: 0, lost: false }]);
  const open = () => all.filter(({ seen }) => seen.exits.length === 0).map(({ name }) => name);
  await expect.poll(open, { timeout: 45_000 }).toEqual([]);
  for (const { name, exit, lines, seen } of all) {
    expect({ name, exits: seen.exits }).toMatchObject({ name, exits: [exit] });
    if (lines)
      expect({ name, lines: JSON.stringify(seen.lines) }).toMatchObject({
        lines: expect.stringMatching(lines),
      });
    expect(JSON.stringify(seen.lines)).not.toContain("secret");
  }
  expect(readdirSync(foreign)).toEqual(["notes"]);
  expect(readFileSync(join(foreign, "notes"), "utf8")).toBe('{"type":"secret"}\n');
  expect(statSync(foreign).mtimeMs).toBe(before);
  await expect.poll(() => agent.held()).toEqual([]);
});

test("checkpoints that the job's rule does not keep go when a newer one is taken; those of forks stay, also when the worker writes over its job", async () => {
  const point = `point() { mkdir step-$1; echo "{\\"files\\":[],\\"n\\":$1}" > step-$1/manifest.json
    say "\\"type\\":\\"checkpoint\\",\\"path\\":\\"step-$1\\",\\"step\\":$1,\\"bytes\\":1,\\"sha256\\":\\"$(sha256sum step-$1/manifest.json | cut -c1-64)\\""; }
    while [ ! -e go ]; do sleep 0.02; done; rm job.json; echo '{"epoch":1,"checkpoint":{"keep":1}}' > job.json
    for n in 1 2 3 4 5 6 7; do point $n; done; while [ ! -e done ]; do sleep 0.02; done`;
  const spec = specOf(point);
  spec.job.checkpoint = { keep: 2, keepEvery: 4 };
  const seen = serve.assign(spec);
  seen.keep = [3];
  startAgent();
  await expect.poll(() => existsSync(folderOf(spec))).toBe(true);
  await sleep(200);
  writeFileSync(join(folderOf(spec), "go"), "");
  const left = () =>
    readdirSync(folderOf(spec))
      .filter((name) => name.startsWith("step-"))
      .sort();
  await expect.poll(left).toEqual(["step-3", "step-4", "step-6", "step-7"]);
  writeFileSync(join(folderOf(spec), "done"), "");
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(left()).toEqual(["step-3", "step-4", "step-6", "step-7"]);
});

test("checkpoints go also where every answer is that to a repetition, and not those that stand for a refused line", async () => {
  const spec = specOf(`${saves}
    for n in 1 2 3 4 5 6; do mkdir -p claims; save $n; while [ ! -e go-$n ]; do sleep 0.02; done; done`);
  spec.job.checkpoint = { keep: 1 };
  serve.twice = true;
  const seen = serve.assign(spec);
  startAgent();
  const folder = folderOf(spec);
  const left = () => readdirSync(folder).filter((name) => name.startsWith("step-"));
  const steps = () => seen.lines.flatMap(({ type, step }) => (type === "checkpoint" ? [step] : []));
  for (const n of [1, 2, 3, 4]) {
    await expect.poll(steps).toContain(n);
    await expect.poll(left).toEqual([`step-${n}`]);
    if (n === 4) serve.refuseType = "checkpoint";
    writeFileSync(join(folder, `go-${n}`), "");
  }
  await expect.poll(() => seen.lines.some(({ type }) => type === "warning")).toBe(true);
  await sleep(200);
  expect(left()).toContain("step-4");
  serve.refuseType = undefined;
  writeFileSync(join(folder, "go-5"), "");
  await expect.poll(steps).toContain(6);
  await expect.poll(() => left().includes("step-4")).toBe(false);
  writeFileSync(join(folder, "go-6"), "");
  await expect.poll(() => seen.exits.length).toBe(1);
});
