import { rmSync } from "node:fs";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { valkeySocket } from "../../src/services/addresses.ts";
import { startValkey, stopValkey, valkeyStatus } from "../../src/services/valkey.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
beforeAll(async () => {
  workspace = openWorkspace();
  await startValkey(workspace.home);
});
afterAll(async () => {
  await stopValkey(workspace.home);
  workspace.remove();
});

async function withRedis<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ path: valkeySocket(workspace.home), maxRetriesPerRequest: 1 });
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

test("never throws keys away, and logs every write", async () => {
  const settings = await withRedis((redis) => redis.config("GET", "maxmemory-policy", "appendonly"));
  expect(settings).toEqual(expect.arrayContaining(["noeviction", "yes"]));
});

test("a second start finds the first", async () => {
  const before = await valkeyStatus(workspace.home);
  await Promise.all([startValkey(workspace.home), startValkey(workspace.home)]);
  expect(before).toEqual({ state: "running", pid: expect.any(Number) });
  expect(await valkeyStatus(workspace.home)).toEqual(before);
});

test("keeps acknowledged writes over a kill -9, and over a stop", async () => {
  await withRedis((redis) => redis.set("kept", "7"));
  process.kill((await valkeyStatus(workspace.home)).pid ?? 0, "SIGKILL");
  await expect.poll(async () => (await valkeyStatus(workspace.home)).state).toBe("stopped");
  await startValkey(workspace.home);
  expect(await withRedis((redis) => redis.get("kept"))).toBe("7");
  expect(await stopValkey(workspace.home)).toBe(true);
  expect(await stopValkey(workspace.home)).toBe(false);
  await startValkey(workspace.home);
  expect(await withRedis((redis) => redis.get("kept"))).toBe("7");
});

test("one that lost its socket file is replaced", async () => {
  const { pid } = await valkeyStatus(workspace.home);
  rmSync(valkeySocket(workspace.home));
  await startValkey(workspace.home);
  const now = await valkeyStatus(workspace.home);
  expect(now.state).toBe("running");
  expect(now.pid).not.toBe(pid);
});
