import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "../../src/core/log.ts";
import { startTime } from "../../src/core/start-time.ts";
import { AttemptFolder } from "../../src/dispatch/attempt-folder.ts";
import { ProcessEngine } from "../../src/dispatch/process/process-engine.ts";
import { sessionMembers, signal } from "../../src/dispatch/process/session.ts";
import { StopLadders } from "../../src/dispatch/stop-ladder.ts";
import { removeFolder } from "../support/remove-folder.ts";
import { engineConformance } from "./engine-conformance.ts";

engineConformance("process", {
  open: (attempts) => new ProcessEngine({ attempts, node: "n1", env: { PATH: process.env.PATH } }),
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
  engine = new ProcessEngine({ attempts, node: "n1", env: { PATH: process.env.PATH } });
});
afterAll(() => removeFolder(attempts));

async function start(attempt: string, script: string, env: Record<string, string> = {}): Promise<string> {
  const folder = join(attempts, attempt);
  const main = ["/bin/sh", "-c", script];
  await engine.start({ attempt, epoch: 1, folder, job: { attempt, epoch: 1 }, main, env });
  await expect.poll(() => existsSync(join(folder, "pid.json"))).toBe(true);
  return folder;
}

test("a folder of attempts that is not there makes nothing lost: its disk may be away", async () => {
  const away = join(attempts, "..", `${basename(attempts)}-away`);
  const folder = await start("unmounted", "sleep 60");
  renameSync(attempts, away);
  await expect(engine.observe("unmounted")).rejects.toMatchObject({ name: "EngineAway" });
  renameSync(away, attempts);
  expect(await engine.observe("unmounted")).toEqual({ state: "running" });
  await engine.stop("unmounted", 0);
  await expect.poll(async () => (await engine.observe("unmounted")).state).toBe("exited");
  expect(existsSync(folder)).toBe(true);
});

test("a disk that is away for a while ends neither the agent nor the wait for the end of a grace", async () => {
  const away = join(attempts, "..", `${basename(attempts)}-away`);
  const folder = await start("stubborn", "trap '' TERM; : > trapped; while :; do sleep 0.1; done");
  await expect.poll(() => existsSync(join(folder, "trapped"))).toBe(true);
  const refused: unknown[] = [];
  const hear = (error: unknown) => refused.push(error);
  process.on("unhandledRejection", hear);
  try {
    await engine.stop("stubborn", 1);
    renameSync(attempts, away);
    // Several looks of the ladder.
    await sleep(800);
    renameSync(away, attempts);
    await expect
      .poll(() => engine.observe("stubborn"), { timeout: 10_000 })
      .toMatchObject({ state: "exited" });
    expect(refused).toEqual([]);
  } finally {
    process.off("unhandledRejection", hear);
  }
});

test("what keeps a stop from its end is told once, and is tried again until it passes", async () => {
  const file = join(attempts, "engine.log");
  mkdirSync(join(attempts, "hindered"));
  const folder = new AttemptFolder(attempts, "hindered");
  const ladders = new StopLadders(createLog({ file }));
  ladders.ask("hindered", folder, 0);
  let [looks, killed] = [0, false];
  const runs = async () => {
    if (++looks < 4) throw new Error("EIO: the disk reports an error");
    return true;
  };
  ladders.begin("hindered", folder, runs, async () => {
    killed = true;
  });
  await expect.poll(() => killed, { timeout: 20_000 }).toBe(true);
  expect(readFileSync(file, "utf8").split("EIO: the disk").length - 1).toBeGreaterThanOrEqual(1);
  expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(1);
});

test("what a start still waits for is no matter of the disk's clock, which may be another than this machine's", async () => {
  const folder = join(attempts, "begins");
  mkdirSync(folder);
  writeFileSync(join(folder, "job.json"), "{}");
  for (const seconds of [-3600, 3600]) {
    const at = Date.now() / 1000 + seconds;
    utimesSync(join(folder, "job.json"), at, at);
    expect(await engine.observe("begins")).toEqual({ state: "running" });
  }
  await expect.poll(() => engine.observe("begins"), { timeout: 20_000 }).toEqual({ state: "lost" });
});

test("an attempt of another node, or a pid of another machine, is nothing of ours here", async () => {
  const folder = await start("theirs", "sleep 60");
  const { pid } = JSON.parse(readFileSync(join(folder, "pid.json"), "utf8")) as { pid: number };
  const other = new ProcessEngine({ attempts, node: "n2", env: {} });
  expect(await other.adopt()).not.toContain("theirs");
  await other.stop("theirs", 0);
  await other.forget("theirs");
  await expect(other.observe("theirs")).rejects.toMatchObject({ code: "E_NODE" });
  expect(await engine.observe("theirs")).toEqual({ state: "running" });
  // The same node on another machine that has the folder: the number means nothing there.
  const note = JSON.parse(readFileSync(join(folder, "engine.json"), "utf8")) as object;
  writeFileSync(join(folder, "engine.json"), JSON.stringify({ ...note, machine: "another" }));
  const there = new ProcessEngine({ attempts, node: "n1", env: {} });
  expect(await there.observe("theirs")).toEqual({ state: "lost" });
  await there.stop("theirs", 0);
  await there.forget("theirs");
  expect(startTime(pid)).toBeDefined();
  signal(-pid, "SIGKILL");
});

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

test.each(["mv", "date"])("a KILL that hits the %s of the shim loses no end", async (command) => {
  const bin = join(attempts, `bin-${command}`);
  mkdirSync(bin);
  // Stands for the real one that a second agent kills: it ends so at its first call.
  const script = `#!/bin/sh\n[ -e "$0.hit" ] || { : > "$0.hit"; kill -9 $$; }\nPATH='${process.env.PATH}' exec ${command} "$@"\n`;
  writeFileSync(join(bin, command), script, { mode: 0o755 });
  const folder = await start(`hit-${command}`, "kill -9 $$", { PATH: `${bin}:${process.env.PATH}` });
  await expect.poll(() => engine.observe(`hit-${command}`)).toMatchObject({ exit: { signal: "SIGKILL" } });
  expect(existsSync(join(bin, `${command}.hit`))).toBe(true);
  expect(JSON.parse(readFileSync(join(folder, "exit.json"), "utf8"))).toMatchObject({
    at: expect.stringMatching(/Z$/),
  });
});

test("what a worker leaves in its session ends when its end is recorded, its shim being waited for or not", async () => {
  const folder = await start("leaves", "sleep 60 & echo $! > helper");
  await expect.poll(async () => (await engine.observe("leaves")).state).toBe("exited");
  const helper = Number(readFileSync(join(folder, "helper"), "utf8"));
  expect(startTime(helper)).toBeDefined();
  await engine.forget("leaves");
  await expect.poll(() => startTime(helper)).toBeUndefined();
});
