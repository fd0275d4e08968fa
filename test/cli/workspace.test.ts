import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { startTime } from "../../src/core/start-time.ts";
import { knownWorkspaceId, readWorkspaceNote } from "../../src/core/workspace-note.ts";
import { poolConfig } from "../../src/records/database.ts";
import { databaseSpec } from "../../src/services/addresses.ts";
import { readDaemon } from "../../src/services/daemon.ts";
import { postgresStatus } from "../../src/services/postgres.ts";
import { down, up } from "../../src/services/up.ts";
import { type CommandLine, type Outcome, openCommandLine } from "../support/command-line.ts";
import { lastLine, linesOf, runNamed } from "../support/json-lines.ts";

/** Each test starts servers and Python, beside whatever else this machine does. */
const patience = { timeout: 240_000 };

const pipeline = `
version: 1
name: kept
stages:
  data: {uses: make-data}
  train:
    uses: tiny-train
    needs: [data]
    with: {steps: 20}
    checkpoint: {every: 5}
`;

let line: CommandLine;
let file: string;
/** Where a workspace with one run lies now. */
let home: string;
let run: string;
const used = new Set<string>();

/** A folder beside the workspace, whose servers are stopped at the end. */
function place(name: string): string {
  const path = join(line.home, name);
  used.add(path);
  return path;
}

const legalone = (where: string, ...words: string[]): Promise<Outcome> =>
  line.startWith({ LEGALONE_HOME: where }, ...words).ended;
const errorOf = (outcome: Outcome) =>
  lastLine<{ error: { code: string; message: string; hint: string } }>(outcome).error;
const copy = (from: string, to: string) => execFileSync("cp", ["-a", from, to]);
const runsOf = async (where: string) =>
  linesOf<{ type: string; run?: string }>(await legalone(where, "status", "--json")).flatMap(
    ({ type, run: id }) => (type === "run" ? [id] : []),
  );

/** The processes of a workspace, by the words of its notes. */
async function processesOf(where: string): Promise<(number | undefined)[]> {
  const notes = ["serve", "agent", "valkey"].map((name) => readDaemon(join(where, `${name}.json`))?.pid);
  return [...notes, (await postgresStatus(where)).pid];
}

beforeAll(async () => {
  line = openCommandLine();
  file = line.pipeline("kept", pipeline);
  home = place("home");
  const outcome = await legalone(home, "train", file, "--json");
  expect(outcome).toMatchObject({ code: 0 });
  run = runNamed(outcome);
}, 240_000);
afterAll(async () => {
  for (const path of used) if (existsSync(path)) await down(path);
  await line.close();
});

describe("a copy", patience, () => {
  test("of a workspace that runs touches nothing of it, and is refused by every command", async () => {
    const before = await processesOf(home);
    expect(before).toEqual([expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number)]);
    const other = place("copy-of-running");
    copy(home, other);
    for (const words of [
      ["up"],
      ["status"],
      ["train", file],
      ["gc"],
      ["down", "--workers"],
      ["serve"],
      ["agent"],
    ]) {
      const outcome = await legalone(other, ...words, "--json");
      expect([words[0], outcome.code]).toEqual([words[0], 8]);
      expect(errorOf(outcome)).toMatchObject({
        code: "E_WORKSPACE",
        message: expect.stringContaining(home),
        hint: expect.stringContaining("adopt --copy"),
      });
    }
    const doctor = await legalone(other, "doctor", "--json");
    expect(lastLine<{ checks: unknown[] }>(doctor).checks).toContainEqual(
      expect.objectContaining({ name: "workspace", status: "fail", seen: expect.stringContaining(home) }),
    );
    // Its database is torn: files of different moments.
    const torn = await legalone(other, "adopt", "--copy", "--json");
    expect(errorOf(torn)).toMatchObject({
      code: "E_WORKSPACE",
      message: expect.stringContaining("copied while"),
    });
    expect(await processesOf(home)).toEqual(before);
    expect(await runsOf(home)).toEqual([run]);
  });

  test("the functions beneath the commands believe no note of a copied folder", async () => {
    const before = await processesOf(home);
    const other = join(line.home, "copy-of-running");
    expect(await down(other)).toEqual({ stopped: [] });
    await expect(up(other)).rejects.toMatchObject({ code: "E_WORKSPACE" });
    expect(await processesOf(home)).toEqual(before);
  });

  test("made after `down` becomes a workspace of its own with adopt --copy, beside the original", async () => {
    await legalone(home, "down");
    const other = place("copy-of-stopped");
    copy(home, other);
    await legalone(home, "up");
    const before = await processesOf(home);
    expect((await legalone(other, "adopt", "--moved", "--json")).code).toBe(8);
    expect(await legalone(other, "adopt", "--copy")).toMatchObject({ code: 0 });
    expect(knownWorkspaceId(other)).not.toBe(knownWorkspaceId(home));
    expect(await legalone(other, "up")).toMatchObject({ code: 0 });
    expect(await runsOf(other)).toEqual([run]);
    expect(await processesOf(home)).toEqual(before);
    // Its records have its own name now, so that it can be moved and used again.
    expect(readWorkspaceNote(other)?.formerly).toBeUndefined();
    await legalone(other, "down");
    expect(await processesOf(home)).toEqual(before);
  });
});

describe("a move", patience, () => {
  test("while it runs is refused with what runs; `down` there is the way out, and nothing is lost", async () => {
    const to = place("moved-running");
    const before = await processesOf(home);
    const from = home;
    renameSync(from, to);
    home = to;
    for (const words of [["up"], ["status"], ["train", file]]) {
      const outcome = await legalone(to, ...words, "--json");
      expect(errorOf(outcome)).toMatchObject({
        code: "E_WORKSPACE",
        message: expect.stringMatching(new RegExp(`moved from ${from} .*serve \\(process ${before[0]}\\)`)),
        hint: expect.stringContaining("legalone down"),
      });
    }
    const stopped = await legalone(to, "down", "--json");
    expect(lastLine<{ stopped: string[] }>(stopped).stopped).toEqual([
      "agent",
      "serve",
      "valkey",
      "postgres",
    ]);
    for (const pid of before) expect(startTime(pid!)).toBeUndefined();
    const back = await legalone(to, "up");
    expect(back).toMatchObject({ code: 0, stderr: `the workspace was moved here from ${from}\n` });
    expect(await runsOf(to)).toEqual([run]);
    expect(existsSync(from)).toBe(false);
  });

  test("of a stopped one to another path, with spaces, quotes and letters of all kinds, needs nothing", async () => {
    await legalone(home, "down");
    const to = place(`a "b" 'c' $d 数据 é ${"long".repeat(40)}`);
    renameSync(home, to);
    home = to;
    expect(await legalone(to, "up")).toMatchObject({ code: 0 });
    expect(await runsOf(to)).toEqual([run]);
  });

  test("a link to a workspace is that workspace", async () => {
    const before = await processesOf(home);
    const link = place("link");
    symlinkSync(home, link);
    expect(lastLine(await legalone(link, "up", "--json"))).toMatchObject({ started: [], home });
    expect(await runsOf(link)).toEqual([run]);
    expect(await processesOf(home)).toEqual(before);
    used.delete(link);
  });
});

describe("records and folder", patience, () => {
  afterEach(() => {
    delete process.env.LEGALONE_DATABASE_URL;
  });

  test("a serve, a gc and an `up` of another folder are refused by a database that has a name", async () => {
    const spec = databaseSpec(home);
    const url = `postgresql://legalone@localhost/legalone?host=${encodeURIComponent(spec.host)}`;
    const stranger = place("stranger");
    mkdirSync(join(stranger, "artifacts", "0".repeat(64)), { recursive: true });
    writeFileSync(join(stranger, "artifacts", "0".repeat(64), "kept"), "kept");
    const env = { LEGALONE_HOME: stranger, LEGALONE_DATABASE_URL: url };
    for (const words of [["serve"], ["up"], ["gc"]]) {
      const outcome = await line.startWith(env, ...words, "--json").ended;
      expect(`${outcome.stdout}${outcome.stderr}`).toContain(
        `belongs to the workspace ${knownWorkspaceId(home)}`,
      );
      expect(outcome.code).not.toBe(0);
    }
    expect(existsSync(join(stranger, "artifacts", "0".repeat(64), "kept"))).toBe(true);
  });

  test("a database that a newer version wrote is refused before anything is stopped", async () => {
    await legalone(home, "up");
    const before = await processesOf(home);
    const client = new pg.Client(poolConfig(databaseSpec(home)));
    await client.connect();
    await client.query(
      `insert into "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count)
       values ('newer', 'x', '29990101000000_newer', now(), 1)`,
    );
    const builds = ["serve", "agent"].map((name) => {
      const path = join(home, `${name}.json`);
      const text = readFileSync(path, "utf8");
      writeFileSync(path, JSON.stringify({ ...JSON.parse(text), build: "newer" }));
      return { path, text };
    });
    try {
      const outcome = await legalone(home, "up", "--json");
      expect(errorOf(outcome)).toMatchObject({
        code: "E_MIGRATION",
        message: expect.stringContaining("29990101000000_newer"),
      });
      expect(await processesOf(home)).toEqual(before);
    } finally {
      await client.query(`delete from "_prisma_migrations" where id = 'newer'`);
      await client.end();
      for (const { path, text } of builds) writeFileSync(path, text);
    }
  });

  test("data that is gone is told, and nothing is made in its place", async () => {
    await legalone(home, "down");
    renameSync(join(home, "postgres"), join(home, "elsewhere"));
    const outcome = await legalone(home, "up", "--json");
    expect(errorOf(outcome)).toMatchObject({
      code: "E_DATABASE",
      message: expect.stringContaining("is not there"),
    });
    expect(existsSync(join(home, "postgres"))).toBe(false);
    renameSync(join(home, "elsewhere"), join(home, "postgres"));
    expect(await runsOf(home)).toEqual([]);
  });

  test("down and up at once leave it stopped or running, never half", async () => {
    for (let i = 0; i < 3; i++) {
      const ends = await Promise.all([legalone(home, "up"), legalone(home, "down"), legalone(home, "up")]);
      expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
      const running = (await processesOf(home)).filter((pid) => pid !== undefined).length;
      expect([0, 4]).toContain(running);
    }
    expect((await legalone(home, "up")).code).toBe(0);
    expect(await runsOf(home)).toEqual([run]);
  });
});

const otherMachine = ["unshare", "--uts", "--pid", "--fork", "--mount-proc"];
const canUnshare = spawnSync(otherMachine[0]!, [...otherMachine.slice(1), "true"]).status === 0;

test.skipIf(!canUnshare)(
  "a machine or container that shares the folder starts no second server on its data",
  patience,
  async () => {
    await legalone(home, "up");
    const before = await processesOf(home);
    const bin = join(packageRoot, "dist", "bin.js");
    const words = [
      ...otherMachine.slice(1),
      "sh",
      "-c",
      'hostname other-machine; exec "$@"',
      "sh",
      process.execPath,
      bin,
      "up",
      "--json",
    ];
    const env = { ...process.env, LEGALONE_HOME: home, XDG_RUNTIME_DIR: line.home };
    // Its sockets are its own: a /tmp that is not ours.
    const apart = [
      "--mount",
      "sh",
      "-c",
      'mount -t tmpfs tmpfs "$0" && exec unshare "$@"',
      join(line.home, "tmp"),
      ...words,
    ];
    mkdirSync(join(line.home, "tmp"));
    const { stdout } = spawnSync("unshare", apart, { env, encoding: "utf8" });
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!).error).toMatchObject({ code: "E_WORKSPACE" });
    expect(await processesOf(home)).toEqual(before);
  },
);
