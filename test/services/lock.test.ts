import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readDaemon, writeDaemon } from "../../src/services/daemon.ts";
import { withLock } from "../../src/services/lock.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
beforeAll(() => {
  workspace = openWorkspace();
});
afterAll(() => workspace.remove());

/** A pid that was just used and is free now. */
function gonePid(): number {
  return spawnSync("true").pid;
}

test("work under one lock never overlaps", async () => {
  const lock = join(workspace.home, "a.lock");
  let inside = 0;
  const work = () =>
    withLock(lock, async () => {
      expect(++inside).toBe(1);
      await sleep(5);
      inside--;
    });
  await Promise.all([work(), work(), work()]);
  expect(existsSync(lock)).toBe(false);
});

test("a lock is freed when the work throws", async () => {
  const lock = join(workspace.home, "b.lock");
  await expect(withLock(lock, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(existsSync(lock)).toBe(false);
});

test("the lock of a process that is gone, or whose pid is another's now, is free", async () => {
  const lock = join(workspace.home, "c.lock");
  for (const text of [`${gonePid()} earlier`, `${process.pid} earlier`]) {
    writeFileSync(lock, text);
    expect(await withLock(lock, async () => "done")).toBe("done");
  }
});

test("a daemon's note is trusted only while that very process runs", () => {
  const path = join(workspace.home, "daemon.json");
  expect(readDaemon(path)).toBeUndefined();
  writeDaemon(path, { pid: process.pid, build: "b" });
  expect(readDaemon(path)).toMatchObject({ pid: process.pid, build: "b" });
  writeFileSync(path, JSON.stringify({ pid: process.pid, start: "another time" }));
  expect(readDaemon(path)).toBeUndefined();
  writeDaemon(path, { pid: gonePid() });
  expect(readDaemon(path)).toBeUndefined();
  writeFileSync(path, '{"pid":1,"sta');
  expect(readDaemon(path)).toBeUndefined();
});
