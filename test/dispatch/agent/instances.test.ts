import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { packageRoot } from "../../../src/core/paths.ts";
import { startTime } from "../../../src/core/start-time.ts";
import { ServeClient } from "../../../src/dispatch/agent/serve-client.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { type ControlPlane, startControlPlane } from "../../support/control-plane.ts";
import { runOf } from "../../support/pipelines.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { type Servers, startServers } from "../../support/servers.ts";

/** Long against what a busy machine is late, so that a name changes hands only when it should. */
const silenceMs = 4000;
/** Nothing here is about silence of workers. */
const calm = { lease: 30_000, dispatch: 30_000, heartbeat: 5000 };
const patient = { timeout: 90_000 };

let servers: Servers;
let plane: ControlPlane;
let program: string;
const homes: string[] = [];
const agents: RealAgent[] = [];

interface RealAgent {
  home: string;
  process: ChildProcess;
  log(): string;
}

beforeEach(async () => {
  servers = await startServers();
  plane = await startControlPlane(servers.database, { ...calm, nodeSilence: silenceMs }, servers.home);
  // Stands where Python would: counts until its folder has `go`, and says whose it is.
  program = join(servers.home, "program");
  writeFileSync(
    program,
    `#!/bin/sh
say() { printf '{"at":"2026-01-01T00:00:00Z",%s}\\n' "$1" >> events.jsonl; }
trap 'say "\\"type\\":\\"result\\",\\"status\\":\\"stopped\\""; exit 75' TERM
say "\\"type\\":\\"phase\\",\\"phase\\":\\"loading\\",\\"detail\\":\\"$LOGNAME\\""
n=0
while [ ! -e go ]; do n=$((n + 1)); say "\\"type\\":\\"heartbeat\\""; sleep 0.05; done
say '"type":"result","status":"succeeded"'
`,
  );
  chmodSync(program, 0o755);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) {
    agent.process.kill("SIGKILL");
    for (const pid of workersOf(agent.home)) kill(-pid);
  }
  await plane.stop();
  await servers.stop();
  for (const home of homes.splice(0)) removeFolder(home);
});

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "legalone-agent-"));
  homes.push(home);
  return home;
}

function startAgent(home: string, { node = "n1", whose = "", prefix = [] as string[] } = {}): RealAgent {
  const [command, ...words] = [
    ...prefix,
    process.execPath,
    join(packageRoot, "dist", "bin.js"),
    "agent",
    "--node",
    node,
  ];
  const child = spawn(command!, words, {
    env: {
      ...process.env,
      LEGALONE_HOME: home,
      LEGALONE_SERVE_URL: plane.address,
      LEGALONE_TOKEN: plane.token,
      LEGALONE_PYTHON: program,
      LEGALONE_TIME_SCALE: "0.01",
      LEGALONE_CONTAINER_SOCKET: "",
      // One of the variables that workers get of their agent.
      LOGNAME: whose,
      // In another space of pids its number says nothing.
      ...(prefix.length > 0 ? { LEGALONE_OWNER_PID: "" } : {}),
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr?.on("data", (data: Buffer) => {
    log += data.toString();
  });
  const agent = { home, process: child, log: () => log };
  agents.push(agent);
  return agent;
}

const attempts = () => plane.database.attempt.findMany({ orderBy: { epoch: "asc" } });
const holder = async () => (await plane.database.node.findUnique({ where: { id: "n1" } }))?.agentPid;
const submit = async () => {
  await submitRun(plane.database, runOf([{ name: "base", outputs: [] }]));
  await plane.look();
};
const folderOf = (home: string, attempt: string) => join(home, "attempts", attempt);

function workersOf(home: string): number[] {
  const { stdout } = spawnSync("/bin/sh", ["-c", 'cat "$1"/attempts/*/pid.json', "x", home], {
    encoding: "utf8",
  });
  return [...stdout.matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid)).filter((pid) => pid > 1);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {}
}

describe("two agents of one name", () => {
  test(
    "the second starts nothing while the first lives, and takes over when it is gone",
    patient,
    async () => {
      const first = startAgent(newHome(), { whose: "first" });
      await expect.poll(holder).toBe(first.process.pid);
      const second = startAgent(newHome(), { whose: "second" });
      await expect
        .poll(second.log)
        .toMatch(/the name of node n1 is held by the agent on \S+, process \d+, since 2/);
      expect(second.log()).toContain(`process ${first.process.pid}`);
      expect(second.log()).toMatch(/--node or LEGALONE_NODE/);
      await submit();
      await expect.poll(async () => (await attempts())[0]?.state).toBe("RUNNING");
      const [attempt] = await attempts();
      // It is asked for several syncs long: nothing of it is in the second one's folder, nor of its lines in the records.
      await expect.poll(() => existsSync(join(second.home, "attempts", attempt!.id))).toBe(false);
      const [phase] = await plane.database.event.findMany({ where: { type: "worker.phase" } });
      expect(phase?.data).toMatchObject({ detail: "first" });
      expect(await holder()).toBe(first.process.pid);

      first.process.kill("SIGKILL");
      for (const pid of workersOf(first.home)) kill(-pid);
      await expect.poll(holder, { timeout: 20_000 }).toBe(second.process.pid);
      await expect
        .poll(async () => (await attempts()).map(({ state }) => state), { timeout: 20_000 })
        .toEqual(["LOST", "RUNNING"]);
      const phases = await plane.database.event.findMany({
        where: { type: "worker.phase" },
        orderBy: { id: "asc" },
      });
      expect(phases.map(({ data }) => (data as { detail: string }).detail)).toEqual(["first", "second"]);
    },
  );

  test("what a dispossessed agent still sends is refused, and its workers end", patient, async () => {
    const first = startAgent(newHome(), { whose: "first" });
    await submit();
    await expect.poll(async () => (await attempts())[0]?.state).toBe("RUNNING");
    const [worker] = workersOf(first.home);
    // As a machine that sleeps: its worker goes on, nobody speaks for it.
    first.process.kill("SIGSTOP");
    const second = startAgent(newHome(), { whose: "second" });
    await expect.poll(holder, { timeout: 20_000 }).toBe(second.process.pid);
    await expect
      .poll(async () => (await attempts()).map(({ state }) => state), { timeout: 20_000 })
      .toEqual(["LOST", "RUNNING"]);
    first.process.kill("SIGCONT");
    await expect.poll(() => startTime(worker!), { timeout: 20_000 }).toBeUndefined();
    await expect.poll(first.log).toContain(`is held by the agent on`);
    expect(first.log()).toContain(`process ${second.process.pid}`);
    const phases = await plane.database.event.findMany({ where: { type: "worker.phase" } });
    expect(phases.map(({ data }) => (data as { detail: string }).detail)).toEqual(["first", "second"]);
    expect((await attempts()).map(({ state }) => state)).toEqual(["LOST", "RUNNING"]);
  });

  test("sync, events and exit of an instance that does not hold the name get 409", async () => {
    const first = startAgent(newHome());
    await submit();
    await expect.poll(async () => (await attempts())[0]?.state).toBe("RUNNING");
    const [attempt] = await attempts();
    const find = () => ({ address: plane.address, token: plane.token });
    const stranger = new ServeClient(find, "a-stranger");
    const facts = {
      pid: 1,
      build: "b",
      address: "elsewhere",
      engines: ["process"],
      npus: 0,
      slots: 1,
      info: {},
    };
    const taken = { name: "NodeTaken", holder: { pid: first.process.pid } };
    const nothing = { epoch: 1, offset: Number(attempt!.acknowledged), bytes: 0, lines: [] };
    const exit = { epoch: 1, code: 0, signal: null, lost: false, at: new Date().toISOString() };
    await expect(stranger.sync("n1", { agent: facts, attempts: [] })).rejects.toMatchObject(taken);
    await expect(stranger.events(attempt!.id, nothing)).rejects.toMatchObject(taken);
    await expect(stranger.exit(attempt!.id, exit)).rejects.toMatchObject(taken);
    // Nor does it help to say that the holder is gone, without knowing its name.
    const predecessors = [{ instance: "made-up", gone: true }];
    await expect(
      stranger.sync("n1", { agent: { ...facts, predecessors }, attempts: [] }),
    ).rejects.toMatchObject(taken);
    expect((await attempts())[0]).toMatchObject({ state: "RUNNING", exitedAt: null });
    // After a sleep of the whole place, or a step of the database's clock, who asks first is still not the holder.
    await plane.database.$executeRaw`update "Node" set "heartbeatAt" = now() - interval '1 hour'`;
    await expect(stranger.sync("n1", { agent: facts, attempts: [] })).rejects.toMatchObject(taken);
    // Nor after it has not asked for as long as a silence lasts: meanwhile nobody listened.
    first.process.kill("SIGSTOP");
    await sleep(silenceMs + 500);
    await expect(stranger.sync("n1", { agent: facts, attempts: [] })).rejects.toMatchObject(taken);
    first.process.kill("SIGCONT");
  });
});

test("an attempt that cannot be launched ends, and its agent keeps its name", async () => {
  const find = () => ({ address: plane.address, token: plane.token });
  const mine = new ServeClient(find, "mine");
  const facts = { pid: 1, build: "b", address: "here", engines: ["process"], npus: 0, slots: 1, info: {} };
  await mine.sync("n1", { agent: facts, attempts: [] });
  await submit();
  await expect.poll(async () => (await attempts())[0]?.nodeId).toBe("n1");
  await plane.database.stage.updateMany({ data: { spec: { name: 7 } } });
  expect((await mine.sync("n1", { agent: facts, attempts: [] })).assignments).toEqual([]);
  const [attempt] = await attempts();
  expect(attempt!.exitedAt).not.toBeNull();
  expect(attempt!.result).toMatchObject({ message: expect.stringContaining("its job could not be made") });
});

describe("an agent that comes back on its folder", () => {
  test("takes over at once after kill -9, and goes on with the same worker", patient, async () => {
    // Nobody waits for so long a silence here.
    await plane.stop();
    plane = await startControlPlane(servers.database, { ...calm, nodeSilence: 600_000 }, servers.home);
    const home = newHome();
    const first = startAgent(home);
    await submit();
    await expect.poll(async () => (await attempts())[0]?.state).toBe("RUNNING");
    const workers = workersOf(home);
    first.process.kill("SIGKILL");
    await once(first.process, "exit");
    // Killed again before serve has heard of it: the next one is the successor of both.
    const cut = startAgent(home);
    await expect.poll(() => existsSync(join(home, "agents", "n1.json"))).toBe(true);
    cut.process.kill("SIGKILL");
    await once(cut.process, "exit");
    const second = startAgent(home);
    await expect.poll(holder).toBe(second.process.pid);
    const [attempt] = await attempts();
    writeFileSync(join(folderOf(home, attempt!.id), "go"), "");
    await expect.poll(async () => (await attempts()).map(({ state }) => state)).toEqual(["SUCCEEDED"]);
    expect(workersOf(home)).toEqual(workers);
    expect(second.log()).not.toContain("is held by");
  });

  test("a copy of the folder is no successor", patient, async () => {
    const home = newHome();
    const first = startAgent(home);
    await expect.poll(holder).toBe(first.process.pid);
    const copy = newHome();
    cpSync(home, copy, { recursive: true });
    // Refused as the copy it is, whether the notes that came along are of a live agent or not.
    rmSync(join(copy, "agent.json"));
    const second = startAgent(copy);
    await once(second.process, "exit");
    expect(second.log()).toMatch(/E_WORKSPACE .* is a copy/);
    expect(await holder()).toBe(first.process.pid);
  });
});

const apart = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
const canPart = spawnSync(apart[0]!, [...apart.slice(1), "true"]).status === 0;

describe.skipIf(!canPart)("two machines on one folder (two spaces of pids)", () => {
  test("each agent keeps to the attempts of its own node", patient, async () => {
    const home = newHome();
    const first = startAgent(home, { whose: "first" });
    await submit();
    await expect.poll(async () => (await attempts())[0]?.state).toBe("RUNNING");
    const second = startAgent(home, { node: "n2", whose: "second", prefix: apart });
    await expect.poll(() => plane.database.node.count({ where: { id: "n2" } })).toBe(1);
    // The first restarts meanwhile: it finds its own again, and only those.
    first.process.kill("SIGKILL");
    await once(first.process, "exit");
    const again = startAgent(home, { whose: "first" });
    await expect.poll(again.log).toContain('"message":"adopted"');
    await submitRun(plane.database, runOf([{ name: "other", outputs: [] }]));
    await plane.look();
    await expect
      .poll(async () => (await attempts()).map(({ state }) => state))
      .toEqual(["RUNNING", "RUNNING"]);
    for (const { id } of await attempts()) writeFileSync(join(folderOf(home, id), "go"), "");
    await expect
      .poll(async () => (await attempts()).map(({ state }) => state), { timeout: 20_000 })
      .toEqual(["SUCCEEDED", "SUCCEEDED"]);
    expect(new Set((await attempts()).map(({ nodeId }) => nodeId))).toEqual(new Set(["n1", "n2"]));
    for (const { id, nodeId } of await attempts())
      expect(JSON.parse(readFileSync(join(folderOf(home, id), "engine.json"), "utf8"))).toMatchObject({
        node: nodeId,
      });
    expect(second.log()).not.toContain("adopted");
  });
});
