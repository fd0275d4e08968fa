import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "../../src/core/log.ts";
import { startTime } from "../../src/core/start-time.ts";
import { Claims, keepingOf } from "../../src/dispatch/agent/claims.ts";
import { hold } from "../../src/dispatch/agent/far/snapshot.ts";
import { InstanceNote } from "../../src/dispatch/agent/instance-note.ts";
import { settle } from "../../src/dispatch/agent/outputs.ts";
import { AttemptFolder, openAttempts } from "../../src/dispatch/attempt-folder.ts";
import { ContainerEngine } from "../../src/dispatch/container/container-engine.ts";
import type { Engine, Launch } from "../../src/dispatch/engine.ts";
import { ProcessEngine } from "../../src/dispatch/process/process-engine.ts";
import { ArtifactStore } from "../../src/dispatch/transfer/artifact-store.ts";
import { writeArtifact } from "../support/artifact-folder.ts";
import { DockerStandIn } from "../support/docker-stand-in.ts";
import { removeFolder } from "../support/remove-folder.ts";

let home: string;
let attempts: string;
let folder: string;
/** A folder that is not the attempt's, and what is in it. */
let foreign: string;
const attempt = "r1-a-g1-s0-e1";

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legalone-hostile-worker-"));
  attempts = join(home, "attempts");
  folder = join(attempts, attempt);
  mkdirSync(folder, { recursive: true });
  foreign = join(home, "thesis");
  mkdirSync(join(foreign, "claims"), { recursive: true });
  writeFileSync(join(foreign, "chapter"), "kept", { mode: 0o640 });
});
afterEach(() => removeFolder(home));

const listing = (of: string) =>
  readdirSync(of, { recursive: true })
    .map(String)
    .sort()
    .map((name) => `${name} ${lstatSync(join(of, name)).mode.toString(8)}`);

const launch = (script: string, more: Partial<Launch> = {}): Launch => ({
  ...{ attempt, epoch: 1, folder, job: { attempt, epoch: 1 }, env: {}, image: "any" },
  main: ["/bin/sh", "-c", script],
  ...more,
});

function checkpointLine(path = "step-5") {
  const { manifest: sha256 } = writeArtifact(join(folder, "step-5"), { a: Buffer.from("a") });
  return { type: "checkpoint", at: "", path, step: 5, sha256, bytes: 1 } as const;
}

test.each(["claims", "the attempt's folder"])(
  "%s in whose place a link stands is refused, and nothing is written where the link leads",
  async (what) => {
    const line = checkpointLine();
    const replaced = what === "claims" ? join(folder, "claims") : folder;
    if (replaced === folder) renameSync(folder, join(foreign, "attempt"));
    symlinkSync(foreign, replaced);
    const before = listing(foreign);
    expect(settle(line, folder, home)).toMatchObject({
      type: "warning",
      message: expect.stringMatching(/is a link, expected a folder/),
    });
    const claims = new Claims(folder);
    expect(() => claims.take("step-5")).toThrow(/is a link, expected a folder/);
    claims.release("step-5");
    await claims.dropStale(9, { keep: 0, keepEvery: null }, { warn: () => {} });
    const files = new AttemptFolder(attempts, attempt);
    if (replaced === folder) {
      for (const write of [() => files.write("exit.json", {}), () => files.make("output")])
        expect(write).toThrow(/is a link, expected a folder/);
      files.markReported();
      expect([files.isThere(), files.exit(), openAttempts(attempts, "process")]).toEqual([
        false,
        undefined,
        [],
      ]);
    }
    expect(listing(foreign)).toEqual(before);
  },
);

/** Engines, and how their worker's process is found. */
const engines: [string, (run: (engine: Engine) => Promise<void>) => Promise<void>][] = [
  ["process", (run) => run(new ProcessEngine({ attempts, node: "n", env: { PATH: process.env.PATH } }))],
  [
    "container",
    async (run) => {
      const standIn = new DockerStandIn(join(home, "docker.sock"));
      await standIn.open();
      const place = { workspace: "w", node: "n", folders: [], variables: {} };
      const ascend = { devices: [], driver: [] };
      const env = { PATH: process.env.PATH };
      try {
        await run(new ContainerEngine({ socket: standIn.socket, attempts, ...place, ascend, env }));
      } finally {
        standIn.killAll();
        await standIn.close();
      }
    },
  ],
];

const replacements: [string, () => void][] = [
  ["a link", () => symlinkSync(foreign, folder)],
  ["another folder", () => renameSync(foreign, folder)],
  ["a file", () => writeFileSync(folder, "")],
  ["nothing", () => {}],
];

for (const [engineName, withEngine] of engines)
  for (const [what, replace] of replacements) {
    // A container is its mount's: another folder of the name on the host is written to like its own.
    if (engineName === "container" && what === "another folder") continue;
    test(`engine ${engineName}: ${what} in the place of the folder ends the worker, with a reason, and nothing is written there`, async () => {
      await withEngine(async (engine) => {
        await engine.start(launch("echo $$ > pid; while :; do sleep 0.05; done"));
        await expect.poll(() => existsSync(join(folder, "pid"))).toBe(true);
        const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
        await expect.poll(() => engine.observe(attempt)).toEqual({ state: "running" });
        renameSync(folder, join(home, "aside"));
        replace();
        const before = existsSync(foreign) ? listing(foreign) : [];
        expect(await engine.observe(attempt)).toEqual({
          state: "lost",
          message: expect.stringMatching(/the folder of the attempt .* somebody removed it/),
        });
        await expect.poll(() => startTime(pid)).toBeUndefined();
        await engine.stop(attempt, 0);
        await engine.forget(attempt);
        expect(existsSync(foreign) ? listing(foreign) : []).toEqual(before);
      });
    });
  }

test.each(["job.json", "engine.json", "pid.json", "exit.json", "stop.json", "launch.json", "reported"])(
  "a pipe in the place of %s keeps nobody waiting",
  async (name) => {
    execFileSync("mkfifo", [join(folder, name)]);
    const files = new AttemptFolder(attempts, attempt);
    expect([files.job(), files.shim(), files.exit(), files.stop(), files.engine()]).toEqual(
      Array(5).fill(undefined),
    );
    expect([files.isHere(), files.isOf("n")]).toEqual([true, true]);
    expect(keepingOf(files.read("job.json"))).toBeUndefined();
    files.write("stop.json", { at: 1, graceSeconds: 1 });
    expect(files.stop()).toEqual({ at: 1, graceSeconds: 1 });
  },
);

test("a log in whose place a link or a pipe stands ends the start; nothing is written and nobody waits", async () => {
  const engine = new ProcessEngine({ attempts, node: "n", env: { PATH: process.env.PATH } });
  for (const put of [() => symlinkSync(join(foreign, "chapter"), join(folder, "stdout.log")), pipe]) {
    rmSync(join(folder, "stdout.log"), { force: true });
    put();
    await expect(engine.start(launch("echo mine"))).rejects.toThrow(/expected a file/);
  }
  expect(readFileSync(join(foreign, "chapter"), "utf8")).toBe("kept");

  function pipe() {
    execFileSync("mkfifo", [join(folder, "stdout.log")]);
  }
});

test("output of a worker is for this user alone", async () => {
  const engine = new ProcessEngine({ attempts, node: "n", env: { PATH: process.env.PATH } });
  await engine.start(launch("echo mine"));
  await expect.poll(async () => (await engine.observe(attempt)).state).toBe("exited");
  for (const name of ["stdout.log", "stderr.log"])
    expect((statSync(join(folder, name)).mode & 0o777).toString(8)).toBe("600");
});

test("notes of a worker's hand that say nothing sound count as none", () => {
  const files = new AttemptFolder(attempts, attempt);
  const at = new Date().toISOString();
  const exits = [
    { code: 2 ** 40, signal: null, at },
    { code: 0, signal: "'; drop", at },
    { code: "0", at },
  ];
  for (const exit of [...exits, { code: 0, signal: null, at: "yesterday" }, [], null, 7]) {
    files.write("exit.json", exit);
    expect(files.exit()).toBeUndefined();
  }
  files.write("exit.json", { code: 0, signal: null, at, reason: "x".repeat(999), message: 7 });
  expect(files.exit()).toEqual({ code: 0, signal: null, at });
  for (const shim of [
    { pid: 1, start: "x" },
    { pid: -5, start: "x" },
    { pid: 2.5, start: "x" },
    { pid: 9 },
  ]) {
    files.write("pid.json", shim);
    expect(files.shim()).toBeUndefined();
  }
  for (const epoch of ["1", 0, 2 ** 31, null]) {
    files.write("job.json", { epoch });
    expect(files.job()).toBeUndefined();
  }
});

test("by a rule that says nothing sound no checkpoint goes", () => {
  expect(keepingOf({})).toEqual({ keep: 3, keepEvery: null });
  expect(keepingOf({ checkpoint: { keep: 2, keepEvery: 10 } })).toEqual({ keep: 2, keepEvery: 10 });
  for (const checkpoint of [{ keep: 0 }, { keep: "1" }, { keep: -1 }, { keepEvery: 0 }, { keep: 1.5 }])
    expect(keepingOf({ checkpoint })).toBeUndefined();
});

test("a folder of a name that is no attempt's is not taken up: serve would refuse all that is named with it", () => {
  for (const name of ["ok-s0-e1", "line\nbreak", ".hidden", "x".repeat(250)]) {
    mkdirSync(join(attempts, name));
    writeFileSync(join(attempts, name, "engine.json"), JSON.stringify({ engine: "process", node: "n" }));
  }
  expect(openAttempts(attempts, "process", "n")).toEqual(["ok-s0-e1"]);
});

test("a worker that writes its own stop.json, or another pid, is ended in the time that was asked for", async () => {
  const engine = new ProcessEngine({ attempts, node: "n", env: { PATH: process.env.PATH } });
  const script = 'trap "" TERM; echo $$ > pid; while :; do sleep 0.05; done';
  await engine.start(launch(script));
  await expect.poll(() => existsSync(join(folder, "pid"))).toBe(true);
  expect(await engine.observe(attempt)).toEqual({ state: "running" });
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  writeFileSync(join(folder, "stop.json"), JSON.stringify({ at: Date.now(), graceSeconds: 1e9 }));
  writeFileSync(join(folder, "pid.json"), JSON.stringify({ pid: 2 ** 22 - 1, start: "gone" }));
  writeFileSync(join(folder, "engine.json"), JSON.stringify({ engine: "process", node: "other" }));
  expect(await engine.observe(attempt)).toEqual({ state: "running" });
  await engine.stop(attempt, 0.3);
  await expect.poll(async () => (await engine.observe(attempt)).state).toBe("exited");
  expect(startTime(pid)).toBeUndefined();
});

test("a folder in the place of stop.json keeps no worker from its stop", async () => {
  const engine = new ProcessEngine({ attempts, node: "n", env: { PATH: process.env.PATH } });
  await engine.start(
    launch('trap "exit 75" TERM; mkdir -p stop.json/x; touch up; while :; do sleep 0.05; done'),
  );
  await expect.poll(() => existsSync(join(folder, "up"))).toBe(true);
  expect(await engine.observe(attempt)).toEqual({ state: "running" });
  await engine.stop(attempt, 20);
  await expect.poll(() => engine.observe(attempt)).toMatchObject({ exit: { code: 75 } });
});

function output(files: Record<string, Buffer>) {
  const path = join(folder, "output", "model");
  const { content: sha256 } = writeArtifact(path, files);
  return { path, line: { type: "artifact", at: "", kind: "model", path, sha256, bytes: 1 } as const };
}

test("an output that shares a file with somebody else is refused, and that file stays as it is", () => {
  const { path, line } = output({ chapter: Buffer.from("kept") });
  rmSync(join(path, "chapter"));
  linkSync(join(foreign, "chapter"), join(path, "chapter"));
  expect(settle(line, folder, home)).toMatchObject({
    type: "warning",
    message: expect.stringMatching(/chapter is a hard link, expected a file of its own: copy it/),
  });
  expect((statSync(join(foreign, "chapter")).mode & 0o777).toString(8)).toBe("640");
  expect(existsSync(join(home, "artifacts", line.sha256))).toBe(false);
});

test.each(["a file", "a link", "a pipe", "an empty folder", "a file below a folder"])(
  "%s that an output's manifest does not name does not get into the store",
  (what) => {
    const { path, line } = output({ "deep/a": Buffer.from("a") });
    if (what === "a file") writeFileSync(join(path, "extra"), "");
    if (what === "a link") symlinkSync("/etc/passwd", join(path, "extra"));
    if (what === "a pipe") execFileSync("mkfifo", [join(path, "extra")]);
    if (what === "an empty folder") mkdirSync(join(path, "extra"));
    if (what === "a file below a folder") writeFileSync(join(path, "deep", "extra"), "");
    expect(settle(line, folder, home)).toMatchObject({
      type: "warning",
      message: expect.stringMatching(/extra is not in its manifest/),
    });
    expect(existsSync(join(home, "artifacts", line.sha256))).toBe(false);
    rmSync(join(path, what === "a file below a folder" ? "deep/extra" : "extra"), { recursive: true });
    expect(settle(line, folder, home).type).toBe("artifact");
    expect(lstatSync(join(home, "artifacts", line.sha256)).isDirectory()).toBe(true);
  },
);

/** Folders of state, who writes there, and how it shows that a link stands in their place. */
const stateFolders: [string, (sha256: string) => unknown | Promise<unknown>][] = [
  ["artifacts", () => settle(output({ a: Buffer.from("a") }).line, folder, home)],
  ["artifacts/.claims", () => settle(output({ a: Buffer.from("a") }).line, folder, home)],
  // Only a note of what was verified: it is hashed again.
  ["artifacts/.verified", () => settle(output({ a: Buffer.from("a") }).line, folder, home)],
  ["artifacts/.uploads", (sha256) => uploaded(sha256)],
  [`artifacts/.uploads/${attempt}`, (sha256) => uploaded(sha256)],
  [`attempts/${attempt}/.uploading`, (sha256) => hold(home, attempt, join(folder, "step-5"), sha256)],
  [`attempts/${attempt}/output`, () => new AttemptFolder(attempts, attempt).make("output")],
  ["attempts", () => new AttemptFolder(attempts, attempt).make()],
  ["agents", () => InstanceNote.take(home, "n")],
];

function uploaded(sha256: string): Promise<unknown> {
  return new ArtifactStore(home, createLog({ level: "error" })).begin(
    attempt,
    sha256,
    readFileSync(join(folder, "step-5", "manifest.json")),
  );
}

test.each(stateFolders)("nothing is written through a link in the place of %s", async (way, write) => {
  const { sha256 } = checkpointLine();
  rmSync(join(home, way), { recursive: true, force: true });
  mkdirSync(join(home, way, ".."), { recursive: true });
  symlinkSync(foreign, join(home, way));
  const before = listing(foreign);
  const seen = await (async () => write(sha256))().catch((error: unknown) => String(error));
  if (way !== "artifacts/.verified") expect(JSON.stringify(seen)).toMatch(/is a link, expected a folder/);
  expect(listing(foreign)).toEqual(before);
});
