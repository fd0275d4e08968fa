import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "../../src/core/log.ts";
import { BullmqDoorbell, checkQueue } from "../../src/dispatch/doorbell/bullmq-doorbell.ts";
import { TimerDoorbell } from "../../src/dispatch/doorbell/timer-doorbell.ts";
import { startValkey, stopValkey } from "../../src/services/valkey.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
let spec: { path: string };
const log = createLog({ level: "error" });

beforeAll(async () => {
  workspace = openWorkspace();
  spec = (await startValkey(workspace.home)) as { path: string };
});
afterAll(async () => {
  await stopValkey(workspace.home);
  workspace.remove();
});

test("a ring reaches the listener of its queue, with its key, and no other", async () => {
  const bell = new BullmqDoorbell(spec, "one", log);
  const heard: (string | undefined)[] = [];
  const elsewhere: unknown[] = [];
  bell.listen("node-a", async (key) => void heard.push(key), { everyMs: 60_000 });
  bell.listen("node-b", async (key) => void elsewhere.push(key), { everyMs: 60_000 });
  expect(await bell.ring("node-a", "r1-e1")).toBe(true);
  await expect.poll(() => heard).toContain("r1-e1");
  expect(elsewhere).toEqual([]);
  await bell.close();
});

test("workspaces with other prefixes do not hear each other", async () => {
  const ours = new BullmqDoorbell(spec, "ours", log);
  const theirs = new BullmqDoorbell(spec, "theirs", log);
  const heard: unknown[] = [];
  theirs.listen("reconcile", async (key) => void heard.push(key), { everyMs: 60_000 });
  await ours.ring("reconcile", "x");
  await sleep(200);
  expect(heard).toEqual([]);
  await Promise.all([ours.close(), theirs.close()]);
});

test("answers never overlap, and a ring during an answer is followed by one more", async () => {
  const bell = new BullmqDoorbell(spec, "overlap", log);
  let inside = 0;
  let most = 0;
  let count = 0;
  const answer = async () => {
    most = Math.max(most, ++inside);
    await sleep(30);
    inside--;
    count++;
  };
  bell.listen("q", answer, { everyMs: 60_000 });
  await Promise.all([bell.ring("q", "a"), bell.ring("q", "b"), bell.ring("q", "c")]);
  await expect.poll(() => count).toBeGreaterThanOrEqual(2);
  expect(most).toBe(1);
  await bell.close();
});

test("an answer that throws is called again by the timer", async () => {
  const bell = new TimerDoorbell(createLog({ file: `${workspace.home}/bell.log` }));
  let calls = 0;
  const answer = async () => {
    if (++calls === 1) throw new Error("first one fails");
  };
  bell.listen("q", answer, { everyMs: 20 });
  await expect.poll(() => calls).toBeGreaterThan(1);
  expect(await bell.ring()).toBe(false);
  await bell.close();
});

test("with the server away ringing says so within its second, timers go on, and the bell comes back", async () => {
  await stopValkey(workspace.home);
  const bell = new BullmqDoorbell(spec, "away", createLog({ file: `${workspace.home}/bell.log` }));
  const heard: (string | undefined)[] = [];
  bell.listen("q", async (key) => void heard.push(key), { everyMs: 50 });
  const began = Date.now();
  expect(await bell.ring("q", "lost")).toBe(false);
  expect(Date.now() - began).toBeLessThan(1500);
  await expect.poll(() => heard.length).toBeGreaterThan(0);
  expect(bell.healthy()).toBe(false);
  await startValkey(workspace.home);
  await expect.poll(() => bell.ring("q", "back")).toBe(true);
  await expect.poll(() => heard).toContain("back");
  await bell.close();
});

test("a server that may throw jobs away is refused, with the fix", async () => {
  await startValkey(workspace.home);
  await checkQueue(spec);
  const redis = new Redis(spec);
  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  await expect(checkQueue(spec)).rejects.toMatchObject({
    code: "E_QUEUE",
    hint: expect.stringContaining("noeviction"),
  });
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await redis.quit();
  await expect(checkQueue({ path: "/nowhere/valkey.sock" })).rejects.toMatchObject({ code: "E_QUEUE" });
});
