import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { errorCodes } from "../../src/core/error-codes.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { knownWorkspaceId, workspaceId } from "../../src/core/workspace-note.ts";
import { type Database, openDatabase } from "../../src/records/database.ts";
import { readRun } from "../../src/records/reads/runs.ts";
import { submitRun } from "../../src/records/runs.ts";
import { valkeySocket } from "../../src/services/addresses.ts";
import { startValkey, stopValkey } from "../../src/services/valkey.ts";
import { runOf } from "../support/pipelines.ts";
import { removeFolder } from "../support/remove-folder.ts";
import { ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";
import { canMount, emptyDisk, fillDisk, mountDisk, unmountDisk } from "../support/small-disk.ts";

let servers: Servers;
let db: Database;
const children: ChildProcess[] = [];
beforeAll(async () => {
  servers = await startServers();
  db = openDatabase(servers.database);
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await db.$disconnect();
  await servers.stop();
});

const note = () => join(servers.home, "serve.json");

/** PostgreSQL lets go of a lock a moment after its holder has ended. */
const heldOffices = () =>
  db.$queryRaw<unknown[]>`select 1 from pg_locks where locktype = 'advisory' and granted`;

function spawnServe(
  env: NodeJS.ProcessEnv = {},
  ...more: string[]
): {
  child: ChildProcess;
  ended: Promise<[number | null, string]>;
} {
  const words = [join(packageRoot, "dist", "bin.js"), "serve", ...more];
  const times = { LEGALONE_TIME_SCALE: "0.05", LEGALONE_TIME_NODE_SILENCE: "60000" };
  const child = spawn(process.execPath, words, {
    env: { ...process.env, ...times, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  let said = "";
  child.stderr.on("data", (data: Buffer) => {
    said += data.toString();
  });
  return { child, ended: new Promise((resolve) => child.on("close", (code) => resolve([code, said]))) };
}

/** Serve as a process, once its note is there. */
async function startServe() {
  const serve = spawnServe();
  await expect
    .poll(() => existsSync(note()) && JSON.parse(readFileSync(note(), "utf8")).pid, { timeout: 60_000 })
    .toBe(serve.child.pid);
  const { address, token } = JSON.parse(readFileSync(note(), "utf8")) as { address: string; token: string };
  return { ...serve, agent: new ScriptedAgent({ address, token, look: () => sleep(20) }) };
}

const ended = (run: string) => async () => (await readRun(db, run)).verdict.ended;

test("killed in the middle: the next one goes on, and no attempt is repeated", async () => {
  const first = await startServe();
  const stages = ["a", "b", "c"].map((name, i, all) => ({ name, needs: i > 0 ? [all[i - 1]!] : [] }));
  const { run } = await submitRun(db, runOf(stages));
  // The stage after it is held and not begun, however fast serve is.
  await first.agent.work(
    (spec) => (spec.job.stage === "a" ? success(spec) : {}),
    async () => (await db.stage.count({ where: { runId: run, state: "SUCCEEDED" } })) === 1,
  );
  await expect.poll(() => db.attempt.count({ where: { endedAt: null } })).toBe(1);
  first.child.kill("SIGKILL");
  await first.ended;

  const second = await startServe();
  await second.agent.work(success, ended(run));
  expect((await readRun(db, run)).verdict.state).toBe("succeeded");
  expect(await db.attempt.count({ where: { id: { startsWith: run } } })).toBe(3);

  const [code, said] = await spawnServe().ended;
  expect([code, said]).toEqual([8, expect.stringContaining("runs already")]);

  second.child.kill("SIGTERM");
  expect((await second.ended)[0]).toBe(0);
  expect(existsSync(note())).toBe(false);
});

test("Valkey goes away: a run goes on by timers, and serve says so", async () => {
  const { child, agent, ended: over } = await startServe();
  await stopValkey(servers.home);
  const { run } = await submitRun(
    db,
    runOf([
      { name: "a", codeHash: "v" },
      { name: "b", needs: ["a"], codeHash: "v" },
    ]),
  );
  await agent.work(success, ended(run));
  expect((await readRun(db, run)).verdict.state).toBe("succeeded");
  await startValkey(servers.home);
  child.kill("SIGTERM");
  const [code, said] = await over;
  expect(code).toBe(0);
  expect(said).toContain("the queue is away");
});

test("without a database it ends with exit code 9 and says what to do", async () => {
  const [code, said] = await spawnServe({ LEGALONE_DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" })
    .ended;
  expect(code).toBe(9);
  expect(said).toContain("E_DATABASE");
});

test.each([
  ["that another program has", "127.0.0.1", "E_CONFLICT"],
  // RFC 5737: no machine has it.
  ["of another machine", "192.0.2.1", "E_USAGE"],
] as const)("an address %s is told, and no office is held", async (_, host, error) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  // Several times, since the office may be on its way, taken or neither when serve ends.
  for (let i = 0; i < 3; i++) {
    const [code, said] = await spawnServe({}, "--host", host, "--port", String(port)).ended;
    expect([code, said]).toEqual([errorCodes[error].exit, expect.stringContaining(`${host}:${port}`)]);
  }
  await expect.poll(heldOffices).toEqual([]);
  other.close();
});

test("a workspace is named once, and anew when a full disk left an empty name", () => {
  const home = mkdtempSync(join(tmpdir(), "legalone-test-"));
  try {
    expect(knownWorkspaceId(home)).toBe("");
    writeFileSync(join(home, "workspace.json"), "");
    const name = workspaceId(home);
    expect(name).toMatch(/^[0-9a-f-]{36}$/);
    expect([workspaceId(home), knownWorkspaceId(home)]).toEqual([name, name]);
    expect(readdirSync(home)).toEqual(["workspace.json"]);
  } finally {
    removeFolder(home);
  }
});

test.skipIf(!canMount())(
  "on a full disk it ends and says so, holds no office, and starts when there is room",
  async () => {
    const { host, port, user, database } = servers.database;
    const home = mkdtempSync(join(tmpdir(), "legalone-test-"));
    const env = {
      LEGALONE_HOME: home,
      LEGALONE_DATABASE_URL: `postgresql://${user}@localhost:${port}/${database}?host=${host}`,
      LEGALONE_REDIS_URL: valkeySocket(servers.home),
    };
    // A folder of another name is refused by records that have one.
    await db.workspace.deleteMany();
    mountDisk(home, 1);
    try {
      fillDisk(home, 1);
      const [code, said] = await spawnServe(env).ended;
      expect([code, said]).toEqual([errorCodes.E_DISK_FULL.exit, expect.stringContaining("E_DISK_FULL")]);
      await expect.poll(heldOffices).toEqual([]);
      expect(readdirSync(home)).toEqual(["ballast"]);

      emptyDisk(home);
      const next = spawnServe(env);
      await expect.poll(() => existsSync(join(home, "serve.json")), { timeout: 60_000 }).toBe(true);
      expect(knownWorkspaceId(home)).not.toBe("");
      next.child.kill("SIGTERM");
      expect((await next.ended)[0]).toBe(0);
    } finally {
      unmountDisk(home);
      removeFolder(home);
    }
  },
);
