import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Observation } from "../../../src/dispatch/engine.ts";
import { oomKills } from "../../../src/dispatch/process/oom-kills.ts";
import { ProcessEngine } from "../../../src/dispatch/process/process-engine.ts";
import { sessionMembers, signal } from "../../../src/dispatch/process/session.ts";
import { removeFolder } from "../../support/remove-folder.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "legalone-oom-"));
});
afterEach(() => removeFolder(root));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

describe("where the kernel counts", () => {
  const vmstat = "nr_free_pages 1\noom_kill 9\n";
  test("control groups of version 2", () => {
    put("proc/self/cgroup", "0::/user.slice/a\n");
    put("sys/fs/cgroup/user.slice/a/memory.events", "low 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 0\n");
    put("proc/vmstat", vmstat);
    expect(oomKills(root)).toBe(2);
  });

  test("control groups of version 1", () => {
    put("proc/self/cgroup", "8:pids:/\n7:memory:/jobs/x\n0::/\n");
    put("sys/fs/cgroup/memory/jobs/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
    put("proc/vmstat", vmstat);
    expect(oomKills(root)).toBe(5);
  });

  test("the whole machine, where the group is not counted; nowhere", () => {
    expect(oomKills(root)).toBeUndefined();
    put("proc/self/cgroup", "0::/\n");
    put("proc/vmstat", vmstat);
    expect(oomKills(root)).toBe(9);
  });

  test.runIf(process.platform === "linux")("this machine tells", () => {
    expect(oomKills()).toBeGreaterThanOrEqual(0);
  });
});

// The processes and the signal are real; the counter is a file in the kernel's form, since a real kill for want of
// memory would take others with it.
describe("a worker that is killed", () => {
  async function killed(meanwhile: () => void): Promise<Observation> {
    put("proc/vmstat", "oom_kill 3\n");
    const attempts = join(root, "attempts");
    const engine = new ProcessEngine({
      ...{ attempts, node: "n1", env: { PATH: process.env.PATH } },
      oomKills: () => oomKills(root),
    });
    const attempt = "r1-base-g1-s0-e1";
    const folder = join(attempts, attempt);
    await engine.start({ attempt, epoch: 1, folder, job: { epoch: 1 }, main: ["sleep", "60"], env: {} });
    const shim = await until(() => pidOf(folder));
    const [worker] = await until(() => (sessionMembers(shim).length > 0 ? sessionMembers(shim) : undefined));
    meanwhile();
    signal(worker!, "SIGKILL");
    return until(async () => {
      const seen = await engine.observe(attempt);
      return seen.state === "running" ? undefined : seen;
    });
  }

  test("by the kernel, for want of memory", async () => {
    const seen = await killed(() => put("proc/vmstat", "oom_kill 4\n"));
    expect(seen).toMatchObject({
      state: "exited",
      exit: { signal: "SIGKILL", reason: "out_of_memory", message: expect.stringContaining("killed 1 ") },
    });
  });

  test("by somebody", async () => {
    const seen = await killed(() => {});
    expect(seen).toMatchObject({ state: "exited", exit: { signal: "SIGKILL" } });
    expect(seen).not.toHaveProperty("exit.reason");
  });
});

function pidOf(folder: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(folder, "pid.json"), "utf8")) as { pid: number }).pid;
  } catch {
    return undefined;
  }
}

async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 1500; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(20);
  }
  throw new Error("not within 30 s");
}
