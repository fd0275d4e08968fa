import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTime } from "../../src/core/start-time.ts";
import { readDaemon } from "../../src/services/daemon.ts";
import { endWithOwner } from "../../src/services/owner.ts";
import { startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { startValkey, stopValkey, valkeyStatus } from "../../src/services/valkey.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
beforeAll(() => {
  workspace = openWorkspace();
});
afterAll(async () => {
  process.env.LEGALONE_OWNER_PID = String(process.pid);
  await Promise.all([stopPostgres(workspace.home), stopValkey(workspace.home)]);
  workspace.remove();
});

function owner() {
  const child = spawn("sleep", ["60"]);
  process.env.LEGALONE_OWNER_PID = String(child.pid);
  return child;
}

test("the embedded servers end soon after their owner was killed", async () => {
  const { home } = workspace;
  const who = owner();
  await Promise.all([startPostgres(home), startValkey(home)]);
  const valkey = (await valkeyStatus(home)).pid ?? 0;
  expect(readDaemon(join(home, "valkey.json"))?.pid).toBe(valkey);
  who.kill("SIGKILL");
  await expect.poll(() => startTime(valkey)).toBeUndefined();
  await expect.poll(() => stopPostgres(home)).toBe(false);
});

test("a whole process group ends with the owner", async () => {
  const who = owner();
  const group = spawn("/bin/sh", ["-c", "sleep 60 & echo $!; wait"], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(group.stdout, "data")) as [Buffer];
  const child = Number(line.toString());
  endWithOwner(group.pid ?? 0, "KILL", { group: true });
  expect(startTime(child)).toBeDefined();
  who.kill("SIGKILL");
  await expect.poll(() => startTime(child)).toBeUndefined();
});

test("without an owner nothing is watched", async () => {
  delete process.env.LEGALONE_OWNER_PID;
  const child = spawn("sleep", ["60"]);
  endWithOwner(child.pid ?? 0, "KILL");
  expect(startTime(child.pid ?? 0)).toBeDefined();
  child.kill();
});
