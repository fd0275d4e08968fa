import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { makeHome, ownFolder } from "../core/own-folder.ts";
import { postgresVersion } from "./postgres-binaries.ts";
import { canReach, giveTo, type ServiceUser, serviceFolder } from "./unprivileged.ts";

/** Environment of every PostgreSQL program: none of ours, messages in English. */
export const postgresEnv: NodeJS.ProcessEnv = {
  PATH: process.env.PATH ?? "/usr/bin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

/**
 * Folder of the data: <workspace>/postgres, or where `user` cannot reach that, one below serviceFolder().
 * It is chosen once and written to <workspace>/postgres.json, since permissions may change later.
 */
export function dataFolder(home: string, user: ServiceUser | undefined): string {
  const note = join(home, "postgres.json");
  if (existsSync(note)) return (JSON.parse(readFileSync(note, "utf8")) as { data: string }).data;
  const id = sha256(`${home} ${Date.now()} ${process.pid}`).slice(0, 8);
  const data = canReach(home, user)
    ? join(home, "postgres")
    : join(serviceFolder(), `legalone-${id}`, "postgres");
  makeHome(home);
  writeFileSync(`${note}.new`, JSON.stringify({ data }));
  renameSync(`${note}.new`, note);
  return data;
}

/**
 * Makes the cluster with its database `legalone` when there is none. It is made beside its place and renamed,
 * so a half-made one is never used. Returns true when it was made now.
 */
export function makeCluster(
  binaries: string,
  data: string,
  user: ServiceUser | undefined,
  throwaway: boolean,
): boolean {
  if (existsSync(join(data, "PG_VERSION"))) return false;
  openParent(data, user);
  const fresh = `${data}.new-${process.pid}`;
  if (throwaway) copyTemplate(binaries, fresh, user);
  else initialise(binaries, fresh, user);
  renameSync(fresh, data);
  return true;
}

/** A folder of its own below serviceFolder(), through which the server's user passes; else the workspace itself. */
function openParent(data: string, user: ServiceUser | undefined): void {
  const above = dirname(data);
  if (user !== undefined && dirname(above) === serviceFolder()) ownFolder(above, 0o711);
}

function initialise(binaries: string, folder: string, user: ServiceUser | undefined): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  giveTo(folder, user);
  // Comparing text by code point is the same on every machine, whatever its C library. Files reach the disk
  // later, by syncCluster: that wait would be half of a first start.
  const words = [
    "--username=legalone",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
  ];
  const more = ["--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync", "-D", folder];
  run(join(binaries, "bin", "initdb"), [...words, ...more], user);
  run(
    join(binaries, "bin", "postgres"),
    ["--single", "-D", folder, "template1"],
    user,
    "CREATE DATABASE legalone;\n",
  );
}

/** Tests start many clusters: the first one of a machine is kept and copied. */
function copyTemplate(binaries: string, fresh: string, user: ServiceUser | undefined): void {
  const uid = user?.uid ?? process.getuid?.() ?? 0;
  const template = join(tmpdir(), `legalone-cluster-${sha256(`${postgresVersion()} ${uid}`).slice(0, 12)}`);
  if (!existsSync(template)) {
    const half = `${template}.${process.pid}`;
    initialise(binaries, half, user);
    try {
      renameSync(half, template);
    } catch (error) {
      rmSync(half, { recursive: true, force: true });
      if (!existsSync(template)) throw error;
    }
  }
  ownFolder(template, 0o700, uid);
  run("cp", ["-Rp", template, fresh], undefined);
}

function run(program: string, words: string[], user: ServiceUser | undefined, input = ""): void {
  const result = spawnSync(program, words, { ...user, cwd: "/", env: postgresEnv, input, encoding: "utf8" });
  if (result.status === 0 && !/^(?:.*\s)?(?:FATAL|ERROR|PANIC):/m.test(result.stderr)) return;
  const seen = result.error?.message ?? (result.stderr.trim() || `exit ${result.status ?? result.signal}`);
  throw new LegaloneError("E_DATABASE", `${program} failed: ${seen}`, {
    hint: "Free disk space and permissions are the usual causes; LEGALONE_DATABASE_URL names a server of your own.",
  });
}
