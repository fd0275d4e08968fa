import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { ownFolder } from "../core/own-folder.ts";
import { quoted } from "../core/text.ts";
import { replaceWhole } from "../core/whole-file.ts";
import { workspaceId } from "../core/workspace-note.ts";
import { writeDaemon } from "./daemon.ts";
import { postgresVersion } from "./postgres-binaries.ts";
import { canReach, giveTo, type ServiceUser, serviceFolder } from "./unprivileged.ts";

/** Environment of every PostgreSQL program: none of ours, messages in English. */
export const postgresEnv: NodeJS.ProcessEnv = {
  PATH: process.env.PATH ?? "/usr/bin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

/**
 * `<home>/postgres.json`. The data lies in the workspace, or where PostgreSQL's user cannot reach that, in a folder below
 * serviceFolder() that has the workspace's name: both move with it, on one machine.
 */
export interface ClusterNote {
  place: "workspace" | "service";
  /** Folder below serviceFolder(). */
  folder?: string;
  /** True once there was a database: one that is missing then is never made anew. */
  made: boolean;
}

/** The note; undefined before the first start. */
export function readCluster(home: string): ClusterNote | undefined {
  let note: ClusterNote & { data?: string };
  try {
    note = JSON.parse(readFileSync(join(home, "postgres.json"), "utf8"));
  } catch {
    return undefined;
  }
  if (typeof note !== "object" || note === null) return undefined;
  if (note.data === undefined) return note;
  // Of an old version: an absolute path, which of a moved or copied workspace names another's folder.
  const outside = /\/(legalone-[0-9a-f]{8})\/postgres$/.exec(note.data)?.[1];
  const inside = outside === undefined || existsSync(join(home, "postgres"));
  if (inside || outside === undefined) return { place: "workspace", made: true };
  return { place: "service", folder: outside, made: true };
}

/** Folders below serviceFolder() that this program makes. */
const folderForm = /^legalone-[A-Za-z0-9-]{1,100}$/;

/**
 * Folder of the data, whether it is there or not.
 * @throws E_WORKSPACE where a note names another folder than one that this program makes: what is there is removed and given away
 */
export function dataFolder(home: string, { place, folder }: ClusterNote): string {
  if (place === "workspace") return join(home, "postgres");
  if (place === "service" && folderForm.test(String(folder)))
    return join(serviceFolder(), folder!, "postgres");
  throw new LegaloneError(
    "E_WORKSPACE",
    `${join(home, "postgres.json")} names the folder ${quoted(String(folder))} of ${quoted(String(place))}, expected legalone-NAME`,
    { hint: "It is not as this program wrote it: bring that file back, or `legalone restore` a backup." },
  );
}

/** Writes the note, with what is told of a server that runs. */
export function noteCluster(home: string, note: ClusterNote, server?: { pid: number }): void {
  const path = join(home, "postgres.json");
  if (server === undefined) replaceWhole(path, JSON.stringify(note));
  else writeDaemon(path, { ...note, ...server });
}

/**
 * The workspace's cluster with its database `legalone`, made when there was none yet. As root a folder that came from
 * another user is given to PostgreSQL's, and data that it can no longer reach is moved to where it can.
 * @throws E_DATABASE when the data is gone
 */
export function openCluster(
  home: string,
  binaries: string,
  user: ServiceUser | undefined,
  throwaway: boolean,
): { note: ClusterNote; data: string; made: boolean } {
  const known = readCluster(home);
  if (known === undefined) {
    const note = newPlace(home, user, false);
    noteCluster(home, note);
    return openCluster(home, binaries, user, throwaway);
  }
  let note = known;
  let data = dataFolder(home, note);
  if (!existsSync(join(data, "PG_VERSION"))) {
    if (note.made) throw dataIsGone(data, home);
    makeCluster(binaries, data, user, throwaway);
    note = { ...note, made: true };
    noteCluster(home, note);
    return { note, data, made: true };
  }
  if (note.place === "workspace" && !canReach(home, user)) {
    note = newPlace(home, user, true);
    data = moveData(data, dataFolder(home, note), user);
    noteCluster(home, note);
    rmSync(join(home, "postgres"), { recursive: true, force: true });
  }
  if (user !== undefined && statSync(data).uid !== user.uid) giveTo(data, user);
  return { note, data, made: false };
}

function newPlace(home: string, user: ServiceUser | undefined, made: boolean): ClusterNote {
  if (canReach(home, user)) return { place: "workspace", made };
  return { place: "service", folder: `legalone-${workspaceId(home)}`, made };
}

/** Data that was there and is not. */
export function dataIsGone(data: string, home: string): LegaloneError {
  return new LegaloneError("E_DATABASE", `the database of this workspace lay in ${data} and is not there`, {
    hint: `Bring that folder back, or \`legalone restore\` a backup into an empty folder. Nothing was made in its place: without its records ${home} has no runs.`,
  });
}

/** Copies a data folder whole, and gives it to `user`. */
export function moveData(from: string, to: string, user: ServiceUser | undefined): string {
  const fresh = `${to}.new-${process.pid}`;
  openParent(to, user);
  run("cp", ["-Rp", from, fresh], undefined);
  giveTo(fresh, user);
  rmSync(to, { recursive: true, force: true });
  renameSync(fresh, to);
  return to;
}

/** It is made beside its place and renamed, so that a half-made one is never used. */
function makeCluster(
  binaries: string,
  data: string,
  user: ServiceUser | undefined,
  throwaway: boolean,
): void {
  openParent(data, user);
  const fresh = `${data}.new-${process.pid}`;
  if (throwaway) copyTemplate(binaries, fresh, user);
  else initialise(binaries, fresh, user);
  renameSync(fresh, data);
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
