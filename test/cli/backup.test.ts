import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { canonicalJson, sha256 } from "../../src/core/hash.ts";
import { packageRoot, socketFolder } from "../../src/core/paths.ts";
import { knownWorkspaceId } from "../../src/core/workspace-note.ts";
import { poolConfig } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { databaseSpec } from "../../src/services/addresses.ts";
import { postgresStatus, startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { canReach } from "../../src/services/unprivileged.ts";
import { down } from "../../src/services/up.ts";
import { type CommandLine, type Outcome, openCommandLine } from "../support/command-line.ts";
import { lastLine, linesOf, runNamed } from "../support/json-lines.ts";

/** Each test starts servers and Python, beside whatever else this machine does. */
const patience = { timeout: 240_000 };

const training = `
version: 1
name: long
stages:
  data: {uses: make-data}
  train:
    uses: tiny-train
    needs: [data]
    with: {steps: 3000, step_seconds: 0.1}
    checkpoint: {every: 5}
`;

let line: CommandLine;
/** A workspace whose training is at work. */
let home: string;
/** Its backup, made while it trained. */
let made: string;
let run: string;
const used = new Set<string>();

function place(name: string): string {
  const path = join(line.home, name);
  used.add(path);
  return path;
}

const legalone = (where: string, ...words: string[]): Promise<Outcome> =>
  line.startWith({ LEGALONE_HOME: where }, ...words).ended;
const errorOf = (outcome: Outcome) =>
  lastLine<{ error: { code: string; message: string; hint: string } }>(outcome).error;
const runsOf = async (where: string) =>
  linesOf<{ type: string; run?: string }>(await legalone(where, "status", "--json")).flatMap(
    ({ type, run: id }) => (type === "run" ? [id] : []),
  );

interface Manifest {
  dump: { migration: string; tables: { name: string; rows: number }[]; workspace: string };
  files: { path: string; size: number }[];
  missing: string[];
}
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));

/** Steps of the checkpoints in a workspace or a backup. */
const stepsIn = (folder: string) =>
  readdirSync(join(folder, "attempts"), { recursive: true, encoding: "utf8" })
    .map((name) => Number(/step-(\d+)\/manifest.json$/.exec(name)?.[1] ?? 0))
    .sort((a, b) => a - b);

/** Where the newest attempt of the training began, in its own words. */
async function startOf(where: string): Promise<number> {
  const { stdout } = await legalone(where, "logs", run, "train", "--stdout");
  return Number([...stdout.matchAll(/training from step (\d+)/g)].at(-1)?.[1] ?? -1);
}

beforeAll(async () => {
  line = openCommandLine();
  home = place("home");
  const outcome = await legalone(home, "train", line.pipeline("long", training), "--detach", "--json");
  expect(outcome).toMatchObject({ code: 0 });
  run = runNamed(outcome);
  await vi.waitFor(() => expect(Math.max(...stepsIn(home))).toBeGreaterThanOrEqual(10), {
    timeout: 120_000,
    interval: 200,
  });
  made = join(line.home, "backup");
  const written = await legalone(home, "backup", made, "--json");
  expect(written).toMatchObject({ code: 0 });
  expect(lastLine(written)).toMatchObject({
    type: "backup",
    folder: made,
    workspace: knownWorkspaceId(home),
  });
}, 240_000);
afterAll(async () => {
  for (const path of used) if (existsSync(path)) await down(path);
  await line.close();
});

describe("a backup of a workspace that trains", patience, () => {
  test("holds the rows of one moment and the bytes they name, and is checked again", async () => {
    const { dump, files, missing } = manifestOf(made);
    expect(missing).toEqual([]);
    expect(dump.tables.find(({ name }) => name === "Attempt")?.rows).toBeGreaterThanOrEqual(2);
    expect(files.some(({ path }) => /^artifacts\/[0-9a-f]{64}\/manifest.json$/.test(path))).toBe(true);
    expect(Math.max(...stepsIn(made))).toBeGreaterThanOrEqual(10);
    expect((await legalone(home, "backup", made, "--check")).stdout).toContain("is whole");
    // What stands where it is first written stays, unless a backup left it.
    mkdirSync(join(line.home, ".other.half"));
    writeFileSync(join(line.home, ".other.half", "thesis"), "of years");
    expect(errorOf(await legalone(home, "backup", join(line.home, "other"), "--json")).code).toBe("E_BACKUP");
    expect(readdirSync(join(line.home, ".other.half"))).toEqual(["thesis"]);
    // Into a folder with something in it nothing is written.
    expect(errorOf(await legalone(home, "backup", made, "--json")).code).toBe("E_BACKUP");
  });

  test("is restored with the first gone: the run goes on at its checkpoint, under another name", async () => {
    const step = Math.max(...stepsIn(made));
    await legalone(home, "down", "--workers", "--grace", "5");
    const id = knownWorkspaceId(home);
    renameSync(home, join(line.home, "gone"));
    rmSync(join(line.home, "gone"), { recursive: true });
    home = place("restored");
    expect(await legalone(home, "restore", made, "--json")).toMatchObject({ code: 0 });
    expect((await postgresStatus(home)).state).toBe("stopped");
    expect(knownWorkspaceId(home)).not.toBe(id);
    expect(await legalone(home, "up")).toMatchObject({ code: 0 });
    expect(await runsOf(home)).toEqual([run]);
    await legalone(home, "resume", run, "--detach", "--json");
    await expect.poll(() => startOf(home), { timeout: 90_000, interval: 500 }).toBe(step);
    // A new place for the same folder: it goes on once more, from a checkpoint of after the backup.
    await expect.poll(() => Math.max(...stepsIn(home)), { timeout: 60_000 }).toBeGreaterThan(step);
  });

  test("a moved workspace goes on at its step too", async () => {
    await legalone(home, "down", "--workers");
    const step = Math.max(...stepsIn(home));
    const to = place("carried");
    renameSync(home, to);
    home = to;
    expect(await legalone(home, "up")).toMatchObject({ code: 0 });
    await legalone(home, "resume", run, "--detach", "--json");
    await expect.poll(() => startOf(home), { timeout: 90_000, interval: 500 }).toBe(step);
    await legalone(home, "down", "--workers");
    // It is backed up while nothing runs, and nothing runs after.
    const cold = join(line.home, "cold");
    expect(await legalone(home, "backup", cold)).toMatchObject({ code: 0 });
    expect((await postgresStatus(home)).state).toBe("stopped");
    expect(Math.max(...stepsIn(cold))).toBeGreaterThanOrEqual(step);
  });
});

describe("a restore", patience, () => {
  /** A copy of the backup for a test to spoil. */
  function spoiled(name: string, spoil: (folder: string) => void): string {
    const folder = join(line.home, name);
    spawnSync("cp", ["-a", made, folder]);
    spoil(folder);
    return folder;
  }
  const change = (folder: string, edit: (manifest: Manifest) => void) => {
    const manifest = manifestOf(folder) as Manifest & { sha256?: string };
    delete manifest.sha256;
    edit(manifest);
    const text = { ...manifest, sha256: sha256(canonicalJson(manifest)) };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify(text));
  };
  const named = (folder: string, part: string) =>
    join(folder, manifestOf(folder).files.find(({ path }) => path.includes(part))!.path);

  test.each([
    ["a changed byte", "E_BACKUP", (at: string) => appendFileSync(named(at, "step-"), "x")],
    ["a missing file", "E_BACKUP", (at: string) => rmSync(named(at, "artifacts/"))],
    ["fewer rows", "E_BACKUP", (at: string) => change(at, ({ dump }) => void dump.tables[0]!.rows++)],
    [
      "a manifest that was cut",
      "E_BACKUP",
      (at: string) => writeFileSync(join(at, "manifest.json"), '{"kind":'),
    ],
    ["no manifest", "E_BACKUP", (at: string) => rmSync(join(at, "manifest.json"))],
    [
      "an edited manifest",
      "E_BACKUP",
      (at: string) => {
        const path = join(at, "manifest.json");
        writeFileSync(path, readFileSync(path, "utf8").replace(/"size": \d/, '"size": 9'));
      },
    ],
    [
      "a path that leads out",
      "E_BACKUP",
      (at: string) =>
        change(at, ({ files }) => {
          files[0]!.path = "../x";
        }),
    ],
    ...["postgres.json", "attempts/a-s0-e1/pid.json"].map(
      (path) =>
        [
          `a note of a workspace, ${path}`,
          "E_BACKUP",
          (at: string) => change(at, ({ files }) => void files.push({ ...files[0]!, path })),
        ] as const,
    ),
    [
      "a table that is nowhere",
      "E_BACKUP",
      (at: string) =>
        change(at, ({ dump }) => {
          Object.assign(dump.tables[0]!, { file: "records/none" });
        }),
    ],
    [
      "a newer version",
      "E_MIGRATION",
      (at: string) =>
        change(at, ({ dump }) => {
          dump.migration = "29990101000000_newer";
        }),
    ],
  ] as const)("of %s is refused and leaves nothing", async (what, code, spoil) => {
    const target = place(`into ${what.replaceAll("/", " ")}`);
    const outcome = await legalone(
      target,
      "restore",
      spoiled(`spoiled ${what.replaceAll("/", " ")}`, spoil),
      "--json",
    );
    expect(errorOf(outcome)).toMatchObject({ code });
    expect(existsSync(target) ? readdirSync(target) : []).toEqual([]);
    expect(existsSync(join(line.home, "x"))).toBe(false);
  });

  test("into a folder with something in it is refused and changes nothing", async () => {
    const target = place("taken");
    mkdirSync(target);
    writeFileSync(join(target, "thesis"), "of years");
    expect(errorOf(await legalone(target, "restore", made, "--json")).code).toBe("E_BACKUP");
    expect(readdirSync(target)).toEqual(["thesis"]);
  });

  test("that is killed leaves a folder no command uses, and begins anew when given again", async () => {
    const target = place("killed");
    const words = [join(packageRoot, "dist", "bin.js"), "restore", made];
    const env = { ...process.env, LEGALONE_HOME: target };
    const child = spawn(process.execPath, words, { env, stdio: "ignore" });
    await expect.poll(() => existsSync(join(target, "postgres.json"))).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(errorOf(await legalone(target, "up", "--json"))).toMatchObject({
      code: "E_WORKSPACE",
      hint: expect.stringContaining("legalone restore"),
    });
    expect(await legalone(target, "restore", made)).toMatchObject({ code: 0 });
    expect(await legalone(target, "up", "--json")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"started"'),
    });
    expect(await runsOf(target)).toEqual([run]);
    await legalone(target, "down", "--workers");
  });

  test("takes a database that LEGALONE_DATABASE_URL names, when it holds no runs", async () => {
    const server = place("server");
    const spec = await startPostgres(server);
    const url = `postgresql://legalone@localhost/legalone?host=${encodeURIComponent(spec.host)}`;
    const target = place("with-database");
    const words = { LEGALONE_HOME: target, LEGALONE_DATABASE_URL: url };
    expect(await line.startWith(words, "restore", made).ended).toMatchObject({ code: 0 });
    const again = join(line.home, "again");
    expect(await line.startWith(words, "backup", again).ended).toMatchObject({ code: 0 });
    const rows = ({ dump }: Manifest) => dump.tables.map(({ name, rows: count }) => [name, count]);
    expect(rows(manifestOf(again))).toEqual(rows(manifestOf(made)));
    const full = { ...words, LEGALONE_HOME: place("second") };
    const refused = await line.startWith(full, "restore", made, "--json").ended;
    expect(errorOf(refused)).toMatchObject({
      code: "E_BACKUP",
      message: expect.stringContaining("holds 1 runs"),
    });
    await stopPostgres(server);
  });
});

test("a backup that is killed leaves no folder of its name, and is made anew", patience, async () => {
  const to = join(line.home, "killed-backup");
  const words = [join(packageRoot, "dist", "bin.js"), "backup", to];
  const child = spawn(process.execPath, words, {
    env: { ...process.env, LEGALONE_HOME: home },
    stdio: "ignore",
  });
  await expect.poll(() => existsSync(join(line.home, ".killed-backup.half"))).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(to)).toBe(false);
  expect(await legalone(home, "backup", to)).toMatchObject({ code: 0 });
  expect(existsSync(join(line.home, ".killed-backup.half"))).toBe(false);
  expect(existsSync(join(home, ".backup"))).toBe(false);
  await stopPostgres(home);
});

const nobody = { uid: 65_534, gid: 65_534 };
const asNobody =
  process.getuid?.() === 0 && canReach(process.execPath, nobody) && canReach(packageRoot, nobody);

test.skipIf(!asNobody)(
  "a backup of root is restored by another user, and one of theirs by root",
  patience,
  async () => {
    const base = join(line.home, "theirs");
    mkdirSync(base, { mode: 0o711 });
    chownSync(base, nobody.uid, nobody.gid);
    chmodSync(line.home, 0o711);
    const theirs = join(base, "home");
    const runAs = (where: string, ...words: string[]) =>
      spawnSync(process.execPath, [join(packageRoot, "dist", "bin.js"), ...words], {
        ...nobody,
        cwd: "/",
        encoding: "utf8",
        env: { PATH: process.env.PATH, LEGALONE_HOME: where, LEGALONE_OWNER_PID: String(process.pid) },
      });
    expect(runAs(theirs, "restore", made)).toMatchObject({ status: 0 });
    const back = join(base, "back");
    expect(runAs(theirs, "backup", back)).toMatchObject({ status: 0 });
    rmSync(socketFolder(theirs), { recursive: true, force: true });
    const ours = place("ours-again");
    expect(await legalone(ours, "restore", back)).toMatchObject({ code: 0 });
    expect(await legalone(ours, "up")).toMatchObject({ code: 0 });
    expect(await runsOf(ours)).toEqual([run]);
    await legalone(ours, "down", "--workers");
  },
);

describe("an upgrade", patience, () => {
  /** The last version that no test's database is made by. */
  const old = "20261126000002_outbox";

  test("writes the records to a backup first, from which the old version goes on", async () => {
    const upgraded = place("upgraded");
    const spec = await startPostgres(upgraded);
    await migrate(spec, undefined, { upTo: old });
    const client = new pg.Client(poolConfig(spec));
    await client.connect();
    await client.query(
      `insert into "Run" (id, pipeline, file, config, written, "configHash", "createdBy", "createdAt")
       values ('rold', 'old', 'old.yaml', '{}', '', 'x', 'me', now())`,
    );
    await client.end();
    expect(await legalone(upgraded, "up")).toMatchObject({ code: 0 });
    const [name, ...more] = readdirSync(join(upgraded, "backups"));
    expect([name, more]).toEqual([expect.stringMatching(/^before-\d{8}T\d{6}$/), []]);
    const saved = join(upgraded, "backups", name!);
    expect(manifestOf(saved).dump).toMatchObject({ migration: old });
    expect(readFileSync(join(upgraded, "serve.log"), "utf8")).toContain(saved);
    await legalone(upgraded, "down");
    const back = place("back");
    expect(await legalone(back, "restore", saved)).toMatchObject({ code: 0 });
    await startPostgres(back);
    const restored = new pg.Client(poolConfig(databaseSpec(back)));
    await restored.connect();
    const { rows } = await restored.query(`select max(migration_name) as newest from "_prisma_migrations"`);
    expect(rows).toEqual([{ newest: old }]);
    expect((await restored.query(`select id from "Run"`)).rows).toEqual([{ id: "rold" }]);
    await restored.end();
  });
});
