import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { knownWorkspaceId, locate, writeWorkspaceNote } from "../../src/core/workspace-note.ts";
import { poolConfig } from "../../src/records/database.ts";
import { isCopiedNote, readDaemon, refuseElsewhere, writeDaemon } from "../../src/services/daemon.ts";
import { lookAtHome, settleHome } from "../../src/services/home.ts";
import { withLock } from "../../src/services/lock.ts";
import { adoptCluster, removeCluster, startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { dataFolder, readCluster } from "../../src/services/postgres-cluster.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

const root = process.getuid?.() === 0;

let base: TestWorkspace;
/** Where a workspace with one table in its database lies now. */
let home: string;
let count = 0;
beforeAll(() => {
  base = openWorkspace();
});
afterAll(() => base.remove());
beforeEach(async () => {
  home = join(base.home, `case-${++count}`, "home");
  process.env.LEGALONE_SERVICE_FOLDER = join(base.home, `case-${count}`, "service");
  mkdirSync(process.env.LEGALONE_SERVICE_FOLDER, { recursive: true, mode: 0o755 });
});
afterEach(async () => {
  await stopPostgres(home);
  delete process.env.LEGALONE_SERVICE_FOLDER;
});

async function query(where: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(poolConfig(await startPostgres(where)));
  await client.connect();
  try {
    return (await client.query({ text, rowMode: "array" })).rows.map(([value]: unknown[]) => value);
  } finally {
    await client.end();
  }
}

async function made(where: string): Promise<void> {
  await query(where, "create table kept as select 7 as n");
  await stopPostgres(where);
}

const dataOf = (where: string) => dataFolder(where, readCluster(where)!);

/** A folder that only root enters. */
function closed(name: string): string {
  const folder = join(base.home, `case-${count}`, name);
  mkdirSync(folder, { mode: 0o700 });
  return join(folder, "home");
}

async function move(to: string): Promise<void> {
  await stopPostgres(home);
  renameSync(home, to);
  home = to;
}

test.skipIf(!root)("data that lies outside, since its user cannot enter, is found after a move", async () => {
  home = closed("one");
  await made(home);
  expect(dataOf(home)).toBe(
    join(process.env.LEGALONE_SERVICE_FOLDER!, `legalone-${knownWorkspaceId(home)}`, "postgres"),
  );
  await move(closed("two"));
  expect(await query(home, "select n from kept")).toEqual([7]);
  await move(join(base.home, `case-${count}`, "open"));
  expect(await query(home, "select n from kept")).toEqual([7]);
});

test.skipIf(!root)(
  "data in a folder that is moved to where its user cannot enter goes where it can",
  async () => {
    await made(home);
    expect(dataOf(home)).toBe(join(home, "postgres"));
    await move(closed("later"));
    expect(await query(home, "select n from kept")).toEqual([7]);
    expect(dataOf(home).startsWith(process.env.LEGALONE_SERVICE_FOLDER!)).toBe(true);
    expect(existsSync(join(home, "postgres"))).toBe(false);
  },
);

test.skipIf(!root)(
  "a folder that another user gave to root opens, its data as PostgreSQL's user",
  async () => {
    await made(home);
    execFileSync("chown", ["-R", "12345:12345", join(home, "postgres")]);
    expect(await query(home, "select n from kept")).toEqual([7]);
    expect(statSync(join(home, "postgres")).uid).not.toBe(12345);
  },
);

test.skipIf(!root)("a copy gets data of its own where the original's lies outside", async () => {
  home = closed("original");
  await made(home);
  const copy = closed("copy");
  execFileSync("cp", ["-a", home, copy]);
  expect(lookAtHome(copy)).toEqual({ state: "copy", from: home });
  adoptCluster(copy, "of-its-own");
  writeWorkspaceNote(copy, { id: "of-its-own", ...locate(copy) });
  expect(dataOf(copy)).not.toBe(dataOf(home));
  await query(copy, "insert into kept values (8)");
  expect(await query(home, "select n from kept")).toEqual([7]);
  await stopPostgres(copy);
});

test("the absolute path in a note of an old version never leads to another folder", async () => {
  await made(home);
  const data = join(home, "postgres");
  writeFileSync(join(home, "postgres.json"), JSON.stringify({ data }));
  const copy = join(base.home, `case-${count}`, "copy");
  execFileSync("cp", ["-a", home, copy]);
  expect(dataOf(copy)).toBe(join(copy, "postgres"));
  expect(await query(home, "select n from kept")).toEqual([7]);
  expect(await stopPostgres(copy)).toBe(false);
  expect(await query(home, "select n from kept")).toEqual([7]);
});

test.each([
  { place: "service", folder: "../.." },
  { place: "service", folder: "legalone-x/../../etc" },
  { place: "service" },
  { place: "elsewhere", folder: "legalone-x" },
])("a note that leads elsewhere (%o) is refused, and nothing is removed", async (note) => {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "postgres.json"), JSON.stringify({ ...note, made: true }));
  const refused = expect.objectContaining({ code: "E_WORKSPACE" });
  expect(() => removeCluster(home)).toThrow(refused);
  expect(() => adoptCluster(home, "of-its-own")).toThrow(refused);
  await expect(stopPostgres(home)).rejects.toEqual(refused);
  await expect(startPostgres(home)).rejects.toEqual(refused);
  rmSync(home, { recursive: true });
});

test("a folder that comes from another machine is refused, unless its number is the same there", () => {
  mkdirSync(home, { recursive: true });
  const here = locate(home);
  const note = { id: "far", path: "/srv/far", inode: "1", host: "another-machine" };
  writeWorkspaceNote(home, note);
  expect(lookAtHome(home)).toEqual({ state: "brought", from: "/srv/far", host: "another-machine" });
  expect(() => settleHome(home)).toThrow(expect.objectContaining({ code: "E_WORKSPACE" }));
  // A shared disk: the same folder, whoever looks.
  writeWorkspaceNote(home, { ...note, path: here.path, inode: here.inode });
  expect(lookAtHome(home)).toEqual({ state: "here" });
});

test("a daemon of another machine is believed by the clock of the disk, which this machine's need not agree with", () => {
  mkdirSync(home, { recursive: true });
  const note = join(home, "serve.json");
  writeDaemon(note, { pid: process.pid });
  const written = JSON.parse(readFileSync(note, "utf8")) as object;
  writeFileSync(note, JSON.stringify({ ...written, machine: "another-boot/1", host: "another-machine" }));
  const refused = expect.objectContaining({ code: "E_WORKSPACE" });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  try {
    expect(() => refuseElsewhere(note, "serve")).toThrow(refused);
  } finally {
    vi.useRealTimers();
  }
  utimesSync(note, 1, 1);
  refuseElsewhere(note, "serve");
});

test("notes and locks that came with a copy mean nothing; those of another machine are not taken for gone", async () => {
  mkdirSync(home, { recursive: true });
  const note = join(home, "serve.json");
  writeDaemon(note, { pid: process.pid });
  await withLock(join(home, "a.lock"), async () => {
    const copy = join(base.home, `case-${count}`, "copy");
    execFileSync("cp", ["-a", home, copy]);
    expect(readDaemon(note)).toMatchObject({ pid: process.pid });
    expect(readDaemon(join(copy, "serve.json"))).toBeUndefined();
    expect(isCopiedNote(join(copy, "serve.json"))).toBe(true);
    expect(await withLock(join(copy, "a.lock"), async () => "free")).toBe("free");
  });
});
