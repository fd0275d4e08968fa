import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTime } from "../../src/core/start-time.ts";
import { ProcessEngine } from "../../src/dispatch/process/process-engine.ts";
import { sessionMembers, signal } from "../../src/dispatch/process/session.ts";
import { removeFolder } from "../support/remove-folder.ts";
import { engineConformance } from "./engine-conformance.ts";

engineConformance("process", {
  open: (attempts) => new ProcessEngine({ attempts, env: { PATH: process.env.PATH } }),
  destroy: async (_engine, attempt, attempts) => {
    const { pid } = JSON.parse(readFileSync(join(attempts, attempt, "pid.json"), "utf8")) as { pid: number };
    const members = sessionMembers(pid);
    signal(pid, "SIGKILL");
    for (const member of members) signal(member, "SIGKILL");
  },
});

let attempts: string;
let engine: ProcessEngine;
beforeAll(() => {
  attempts = mkdtempSync(join(tmpdir(), "legalone-engine-"));
  engine = new ProcessEngine({ attempts, env: { PATH: process.env.PATH } });
});
afterAll(() => removeFolder(attempts));

async function start(attempt: string, script: string): Promise<string> {
  const folder = join(attempts, attempt);
  const main = ["/bin/sh", "-c", script];
  await engine.start({ attempt, epoch: 1, folder, job: { attempt, epoch: 1 }, main, env: {} });
  await expect.poll(() => existsSync(join(folder, "pid.json"))).toBe(true);
  return folder;
}

test("a pid.json that says nothing is written again, and the worker is stopped like any other", async () => {
  const folder = await start("torn", "sleep 60");
  const told = () => JSON.parse(readFileSync(join(folder, "pid.json"), "utf8")) as { pid: number };
  await expect.poll(() => sessionMembers(told().pid).length).toBeGreaterThan(0);
  const { pid } = told();
  writeFileSync(join(folder, "pid.json"), "");
  expect(await engine.observe("torn")).toEqual({ state: "running" });
  expect(told().pid).toBe(pid);
  await engine.stop("torn", 5);
  await expect.poll(async () => (await engine.observe("torn")).state).toBe("exited");
  await expect.poll(() => startTime(pid)).toBeUndefined();
});

test("what a worker leaves in its session ends when its end is recorded, its shim being waited for or not", async () => {
  const folder = await start("leaves", "sleep 60 & echo $! > helper");
  await expect.poll(async () => (await engine.observe("leaves")).state).toBe("exited");
  const helper = Number(readFileSync(join(folder, "helper"), "utf8"));
  expect(startTime(helper)).toBeDefined();
  await engine.forget("leaves");
  await expect.poll(() => startTime(helper)).toBeUndefined();
});
