import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "../../../src/core/log.ts";
import { Agent } from "../../../src/dispatch/agent/agent.ts";
import { EngineSeat } from "../../../src/dispatch/agent/engine-seat.ts";
import { ServeClient } from "../../../src/dispatch/agent/serve-client.ts";
import type { LaunchSpec } from "../../../src/dispatch/api/contract.ts";
import { ContainerEngine } from "../../../src/dispatch/container/container-engine.ts";
import { TimerDoorbell } from "../../../src/dispatch/doorbell/timer-doorbell.ts";
import { DockerStandIn } from "../../support/docker-stand-in.ts";
import { ScriptedServe } from "../../support/scripted-serve.ts";
import { openWorkspace, type TestWorkspace } from "../../support/servers.ts";

let workspace: TestWorkspace;
let serve: ScriptedServe;
let docker: DockerStandIn;
let leaving: AbortController;
const agents: { agent: Agent; run: Promise<void> }[] = [];
const attempt = "r1-t-g1-s0-e1";

beforeEach(async () => {
  workspace = openWorkspace();
  serve = new ScriptedServe();
  await serve.open();
  docker = new DockerStandIn(join(workspace.home, "docker.sock"));
  leaving = new AbortController();
});
afterEach(async () => {
  leaving.abort();
  for (const { agent, run } of agents.splice(0)) {
    agent.leave();
    await run;
  }
  docker.killAll();
  await docker.close();
  await serve.close();
  workspace.remove();
});

function startAgent(): Agent {
  const { home } = workspace;
  const log = createLog({ file: join(home, "agent.log") });
  const attempts = join(home, "attempts");
  const seat = new EngineSeat({
    ...{ name: "container", attempts, node: "test", log, everyMs: 50 },
    open: async () =>
      new ContainerEngine({
        ...{ socket: docker.socket, attempts, workspace: "w", node: "test", folders: [], variables: {} },
        ...{ ascend: { devices: [], driver: [] }, env: { PATH: process.env.PATH } },
      }),
  });
  void seat.watch(leaving.signal);
  const agent = new Agent({
    node: "test",
    home,
    engines: [seat],
    client: new ServeClient(() => ({ address: serve.address, token: serve.token })),
    doorbell: new TimerDoorbell(log),
    facts: () => ({ pid: 1, build: "b", address: "here", npus: 0, slots: 1, info: {} }),
    launchOf: (spec) => ({
      ...{ attempt: spec.attempt, epoch: spec.epoch, job: spec.job, env: spec.env, image: "any" },
      folder: join(attempts, spec.attempt),
      main: ["/bin/sh", "-c", String(spec.job.script)],
    }),
    log,
    syncMs: 50,
  });
  agents.push({ agent, run: agent.run() });
  return agent;
}

const spec: LaunchSpec = {
  ...{ attempt, epoch: 1, engine: "container", node: "test", kind: "t", env: {}, graceSeconds: 20 },
  job: {
    ...{ attempt, epoch: 1 },
    script: `say() { printf '{"at":"2026-01-01T00:00:00Z",%s}\\n' "$1" >> events.jsonl; }
      say '"type":"heartbeat"'; while [ ! -e second ]; do sleep 0.02; done
      say '"type":"phase","phase":"training"'; while [ ! -e end ]; do sleep 0.02; done
      say '"type":"result","status":"succeeded"'`,
  },
};
const folder = () => join(workspace.home, "attempts", attempt);
const facts = () => serve.syncs.at(-1)?.agent;

test("Docker that is away when the agent starts: what runs is held and reported, and goes on when it answers", async () => {
  await docker.open();
  const seen = serve.assign(spec);
  startAgent();
  await expect.poll(() => seen.lines.length).toBe(1);
  const [first] = agents.splice(0);
  first?.agent.leave();
  await first?.run;
  await docker.close();

  const second = startAgent();
  await expect.poll(() => facts()).toMatchObject({ engines: [], away: [{ engine: "container" }] });
  expect(serve.syncs.at(-1)?.attempts).toEqual([{ attempt, epoch: 1, state: "running" }]);
  // Its worker's lines come although nobody can look at it, and its end is not made up.
  appendFileSync(join(folder(), "second"), "");
  await expect.poll(() => seen.lines.at(-1)).toMatchObject({ type: "phase" });
  appendFileSync(join(folder(), "end"), "");
  await expect.poll(() => seen.lines.at(-1)).toMatchObject({ type: "result" });
  await sleep(300);
  expect(seen.exits).toEqual([]);
  expect(second.held()).toEqual([attempt]);

  await docker.open();
  await expect.poll(() => seen.exits).toMatchObject([{ code: 0, lost: false }]);
  await expect.poll(() => facts()).toMatchObject({ engines: ["container"], away: [] });
});

test("an attempt for an engine that is away is not started and not reported, and begins when it answers", async () => {
  await docker.open();
  startAgent();
  await expect.poll(() => facts()).toMatchObject({ engines: ["container"] });
  await docker.close();
  await expect.poll(() => facts()).toMatchObject({ engines: [] });
  const seen = serve.assign(spec);
  await sleep(300);
  expect(seen.exits).toEqual([]);
  expect(docker.containers.size).toBe(0);
  await docker.open();
  await expect.poll(() => seen.lines.length).toBe(1);
  expect(docker.containers.size).toBe(1);
  expect(existsSync(join(folder(), "job.json"))).toBe(true);
  serve.attempts.get(attempt)!.desired = "STOP";
  appendFileSync(join(folder(), "second"), "");
  await expect.poll(() => seen.exits.length).toBe(1);
});
