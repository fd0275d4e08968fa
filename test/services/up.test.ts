import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { ProcessEngine } from "../../src/dispatch/process/process-engine.ts";
import { readDaemon } from "../../src/services/daemon.ts";
import { postgresStatus } from "../../src/services/postgres.ts";
import { down, up } from "../../src/services/up.ts";
import { valkeyStatus } from "../../src/services/valkey.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
beforeAll(() => {
  workspace = openWorkspace();
});
afterAll(async () => {
  await down(workspace.home);
  workspace.remove();
});

const note = (name: string) => join(workspace.home, `${name}.json`);

test("starts all four, and finds them again", async () => {
  const first = await up(workspace.home);
  expect(first.started).toEqual(["postgres", "valkey", "serve", "agent"]);
  const answer = await fetch(new URL("/healthz", String(first.serve.address)));
  expect(await answer.json()).toMatchObject({ ok: true });
  const again = await up(workspace.home);
  expect(again).toMatchObject({ started: [], replaced: [], serve: first.serve, agent: first.agent });
});

test("what is missing is started, what is there stays", async () => {
  const { serve } = await up(workspace.home);
  const { pid } = readDaemon(note("agent")) ?? { pid: 0 };
  process.kill(pid, "SIGKILL");
  await expect.poll(() => readDaemon(note("agent"))).toBeUndefined();
  const after = await up(workspace.home);
  expect(after.started).toEqual(["agent"]);
  expect(after.serve).toEqual(serve);
});

test("daemons of another build are replaced", async () => {
  const before = await up(workspace.home);
  for (const name of ["serve", "agent"])
    writeFileSync(
      note(name),
      JSON.stringify({ ...JSON.parse(readFileSync(note(name), "utf8")), build: "older" }),
    );
  const after = await up(workspace.home);
  expect([...after.replaced].sort()).toEqual(["agent", "serve"]);
  expect(after.started).toEqual([]);
  expect(after.serve.pid).not.toBe(before.serve.pid);
});

test("two at once start one of each", async () => {
  await down(workspace.home);
  const [one, other] = await Promise.all([up(workspace.home), up(workspace.home)]);
  expect(one.serve).toEqual(other.serve);
  expect([...one.started, ...other.started].sort()).toEqual(["agent", "postgres", "serve", "valkey"]);
});

test("down stops all four; the note of a stranger's process is not followed", async () => {
  expect((await down(workspace.home)).stopped.sort()).toEqual(["agent", "postgres", "serve", "valkey"]);
  expect((await postgresStatus(workspace.home)).state).toBe("stopped");
  expect((await valkeyStatus(workspace.home)).state).toBe("stopped");
  // Our own pid with another start time: were it trusted, this test would end here.
  writeFileSync(
    note("serve"),
    JSON.stringify({ pid: process.pid, start: "earlier", build: "x", address: "http://x" }),
  );
  expect(await down(workspace.home)).toEqual({ stopped: [] });
});

test("the command says what it did, as text and as JSON", async () => {
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [join(packageRoot, "dist", "bin.js"), ...words], { encoding: "utf8" }).stdout;
  expect(run("up")).toMatch(/^started postgres, valkey, serve, agent\ncontrol plane at http:\/\/127/);
  expect(JSON.parse(run("up", "--json"))).toMatchObject({ started: [], home: workspace.home });
  expect(run("down")).toBe("stopped agent, serve, valkey, postgres\n");
  expect(JSON.parse(run("down", "--json"))).toEqual({ stopped: [], workers: [] });
});

test("down --workers lets them save, and is over when they are gone", async () => {
  const attempts = join(workspace.home, "attempts");
  const engine = new ProcessEngine({ attempts, node: "n1", env: { PATH: process.env.PATH } });
  const attempt = "r1-t-g1-s0-e1";
  const script = 'trap "touch saved; exit 75" TERM; touch up; while :; do sleep 0.02; done';
  const main = ["/bin/sh", "-c", script];
  await engine.start({ attempt, epoch: 1, folder: join(attempts, attempt), job: { attempt }, main, env: {} });
  await expect.poll(() => existsSync(join(attempts, attempt, "up"))).toBe(true);
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [join(packageRoot, "dist", "bin.js"), "down", "--json", ...words], {
      encoding: "utf8",
    }).stdout;
  expect(JSON.parse(run())).toMatchObject({ workers: [attempt] });
  expect(await engine.observe(attempt)).toEqual({ state: "running" });
  expect(JSON.parse(run("--workers"))).toMatchObject({ workers: [attempt] });
  expect(await engine.observe(attempt)).toMatchObject({ state: "exited", exit: { code: 75 } });
  expect(existsSync(join(attempts, attempt, "saved"))).toBe(true);
});
