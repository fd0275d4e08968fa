import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { packageRoot } from "../../../src/core/paths.ts";
import { startTime } from "../../../src/core/start-time.ts";
import type { LaunchSpec } from "../../../src/dispatch/api/contract.ts";
import { readDaemon } from "../../../src/services/daemon.ts";
import { ScriptedServe } from "../../support/scripted-serve.ts";
import { openWorkspace, type TestWorkspace } from "../../support/servers.ts";

let workspace: TestWorkspace;
let serve: ScriptedServe;
const children: ChildProcess[] = [];

beforeEach(async () => {
  workspace = openWorkspace();
  serve = new ScriptedServe();
  await serve.open();
  // Stands where Python would: `-m stages.<kind>.run --job <file>`.
  writeFileSync(
    join(workspace.home, "program"),
    `#!/bin/sh
say() { printf '{"at":"2026-01-01T00:00:00Z",%s}\\n' "$1" >> events.jsonl; }
echo "$2 $LEGALONE_DATABASE_URL"
trap 'exit 75' TERM
say '"type":"progress","step":1,"of":2,"unit":"steps"'
while [ ! -e go ]; do sleep 0.02; done
say '"type":"progress","step":2,"of":2,"unit":"steps"'
say '"type":"result","status":"succeeded"'
`,
  );
  chmodSync(join(workspace.home, "program"), 0o755);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await serve.close();
  workspace.remove();
});

function startAgent(env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [join(packageRoot, "dist", "bin.js"), "agent", "--node", "test"], {
    env: {
      ...process.env,
      LEGALONE_SERVE_URL: serve.address,
      LEGALONE_TOKEN: serve.token,
      LEGALONE_PYTHON: join(workspace.home, "program"),
      LEGALONE_DATABASE_URL: "postgresql://a:secret@b/c",
      LEGALONE_TIME_SCALE: "0.01",
      LEGALONE_CONTAINER_SOCKET: "",
      ...env,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  return child;
}

function assign() {
  const attempt = `r1-t-g1-s0-e1`;
  const spec: LaunchSpec = {
    attempt,
    epoch: 1,
    engine: "process",
    node: "test",
    kind: "lead-prompts",
    job: { attempt, epoch: 1, folder: `attempts/${attempt}` },
    env: {},
    graceSeconds: 20,
  };
  return { seen: serve.assign(spec), folder: join(workspace.home, "attempts", attempt) };
}

test("killed with -9, the next agent finds the worker running and loses no line", async () => {
  const { seen, folder } = assign();
  const first = startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  const worker = JSON.parse(readFileSync(join(folder, "pid.json"), "utf8")) as { pid: number; start: string };
  first.kill("SIGKILL");
  await once(first, "exit");
  expect(startTime(worker.pid)).toBe(worker.start);
  startAgent();
  await expect
    .poll(() => serve.syncs.at(-1)?.attempts)
    .toEqual([expect.objectContaining({ state: "running" })]);
  writeFileSync(join(folder, "go"), "");
  await expect.poll(() => seen.exits.length).toBe(1);
  expect(seen.lines.map(({ type }) => type)).toEqual(["progress", "progress", "result"]);
  expect(readFileSync(join(folder, "stdout.log"), "utf8")).toBe("stages.lead_prompts.run \n");
  const job = JSON.parse(readFileSync(join(folder, "job.json"), "utf8")) as Record<string, string>;
  expect(job).toMatchObject({ folder, output: join(folder, "output"), events: join(folder, "events.jsonl") });
});

test("TERM ends the agent, not the worker; a second agent of the workspace is refused", async () => {
  const { seen, folder } = assign();
  const agent = startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  expect(readDaemon(join(workspace.home, "agent.json"))).toMatchObject({ pid: agent.pid, node: "test" });
  const second = startAgent();
  expect(await once(second, "exit")).toEqual([8, null]);
  agent.kill("SIGTERM");
  expect(await once(agent, "exit")).toEqual([0, null]);
  const worker = JSON.parse(readFileSync(join(folder, "pid.json"), "utf8")) as { pid: number; start: string };
  expect(startTime(worker.pid)).toBe(worker.start);
  process.kill(-worker.pid, "SIGKILL");
});

test("agent and worker of a throw-away workspace end with its owner", async () => {
  const { seen, folder } = assign();
  const owner = spawn("sleep", ["60"]);
  const agent = startAgent({ LEGALONE_OWNER_PID: String(owner.pid) });
  await expect.poll(() => seen.lines.length).toBe(1);
  const worker = JSON.parse(readFileSync(join(folder, "pid.json"), "utf8")) as { pid: number };
  owner.kill("SIGKILL");
  await once(agent, "exit");
  await expect.poll(() => startTime(worker.pid)).toBeUndefined();
  expect(existsSync(join(folder, "exit.json"))).toBe(false);
});
