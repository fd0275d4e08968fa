import { spawn, spawnSync } from "node:child_process";
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionSpec } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { workspace } from "../core/paths.ts";
import { startTime } from "../core/start-time.ts";
import { isSameFolder, workspaceId } from "../core/workspace-note.ts";
import { databaseSpec, postgresSocketFolder } from "./addresses.ts";
import { isCopiedNote, readDaemon, refuseElsewhere } from "./daemon.ts";
import { settleHome } from "./home.ts";
import { withLock } from "./lock.ts";
import { endWithOwner, owner } from "./owner.ts";
import { postgresBinaries } from "./postgres-binaries.ts";
import {
  type ClusterNote,
  dataFolder,
  dataIsGone,
  moveData,
  noteCluster,
  openCluster,
  postgresEnv,
  readCluster,
} from "./postgres-cluster.ts";
import { postgresSettings } from "./postgres-settings.ts";
import { openSocketFolder } from "./socket-folder.ts";
import { ask } from "./socket-talk.ts";
import { serviceUser } from "./unprivileged.ts";

/** A backend of a killed server may hold its shared memory for a second or two; longer is a fault. */
const startPatienceMs = 20_000;

export interface ServiceStatus {
  state: "running" | "stopped" | "external";
  pid?: number;
}

/** Starts the embedded PostgreSQL of this workspace unless it runs or LEGALONE_DATABASE_URL names another. */
export async function startPostgres(home = workspace()): Promise<ConnectionSpec> {
  const spec = databaseSpec(home);
  if (process.env.LEGALONE_DATABASE_URL) return spec;
  settleHome(home);
  if (await answers(home)) return spec;
  return withLock(join(home, "postgres.lock"), async () => {
    if (!(await answers(home))) await start(home);
    return spec;
  });
}

/** Stops it and waits for its end: connections are cut, committed rows are on disk. False when none ran. */
export async function stopPostgres(home = workspace()): Promise<boolean> {
  const cluster = readCluster(home);
  if (process.env.LEGALONE_DATABASE_URL || cluster === undefined) return false;
  const data = dataFolder(home, cluster);
  if (postmaster(home) === undefined) return false;
  const user = serviceUser();
  const program = join(postgresBinaries(user), "bin", "pg_ctl");
  const mode = owner() === undefined ? "fast" : "immediate";
  spawnSync(program, ["-D", data, "-w", "-m", mode, "stop"], { ...user, cwd: "/", env: postgresEnv });
  if (postmaster(home) === undefined) noteCluster(home, { ...clusterOf(cluster), made: true });
  return true;
}

/** Whether it runs; never starts anything. */
export async function postgresStatus(home = workspace()): Promise<ServiceStatus> {
  if (process.env.LEGALONE_DATABASE_URL) return { state: "external" };
  if (!(await answers(home))) return { state: "stopped" };
  const pid = postmaster(home)?.pid;
  return pid === undefined ? { state: "running" } : { state: "running", pid };
}

async function start(home: string): Promise<void> {
  workspaceId(home);
  refuseElsewhere(noteOf(home), "PostgreSQL", { keeps: true });
  const user = serviceUser();
  const throwaway = owner() !== undefined;
  const sockets = openSockets(home, user);
  const binaries = postgresBinaries(user);
  const { note, data, made } = openCluster(home, binaries, user, throwaway);
  refuseCopied(home, data);
  const words = ["-D", data, ...postgresSettings(sockets, throwaway)];
  const log = join(data, "server.log");
  const deadline = Date.now() + startPatienceMs;
  for (let attempt = 0; Date.now() < deadline; attempt++) {
    const output = openSync(log, "a", 0o600);
    const server = spawn(join(binaries, "bin", "postgres"), words, {
      ...user,
      cwd: data,
      env: postgresEnv,
      detached: true,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    let ended = false;
    server.once("exit", () => (ended = true));
    server.once("error", () => (ended = true));
    while (!ended && Date.now() < deadline) {
      if (await answers(home)) {
        server.unref();
        if (server.pid !== undefined) {
          noteCluster(home, clusterOf(note), { pid: server.pid });
          endWithOwner(server.pid, "QUIT");
        }
        if (made && !throwaway) syncCluster(binaries, data, user);
        return;
      }
      await sleep(10);
    }
    // Somebody else's start may have won, or a server that lost its socket file still holds the data.
    if (await answers(home)) return;
    if (attempt === 10) await stopPostgres(home);
    await sleep(200);
  }
  throw new LegaloneError("E_DATABASE", `PostgreSQL did not start: ${lastLine(log)}`, {
    hint: `Its log is ${log}. LEGALONE_DATABASE_URL names a server of your own instead.`,
  });
}

function noteOf(home: string): string {
  return join(home, "postgres.json");
}

/** The lasting part of a note. */
function clusterOf({ place, folder, made }: ClusterNote): ClusterNote {
  return { place, ...(folder === undefined ? {} : { folder }), made };
}

/**
 * Data that was copied while its server ran is torn: files of different moments. The server's own file is in it then,
 * and the note is of another folder.
 */
function refuseCopied(home: string, data: string): void {
  if (existsSync(join(data, "postmaster.pid")) && isCopiedNote(noteOf(home))) throw isCopiedOpen(data);
}

function isCopiedOpen(data: string): LegaloneError {
  return new LegaloneError(
    "E_WORKSPACE",
    `the database in ${data} was copied while its server ran: the copy is not whole`,
    {
      hint: `Copy again after \`legalone down\` in the original, or take \`legalone backup\` and \`legalone restore\`. Only if its machine had gone down before the copy was made: remove ${join(data, "postmaster.pid")}.`,
    },
  );
}

/**
 * Makes the cluster of a folder that came from elsewhere its own: under a new name for a copy.
 * @throws E_WORKSPACE when it was copied while its server ran, E_DATABASE when the data did not come with the folder
 */
export function adoptCluster(home: string, name?: string): void {
  const cluster = readCluster(home);
  if (cluster === undefined) return;
  const data = dataFolder(home, cluster);
  refuseCopied(home, data);
  const kept = clusterOf(cluster);
  refuseLostData(home);
  if (name !== undefined && cluster.place === "service" && cluster.made) {
    // Outside of the folder, so the original's own: a copy needs one too.
    if (existsSync(join(data, "postmaster.pid"))) throw isCopiedOpen(data);
    kept.folder = `legalone-${name}`;
    moveData(data, dataFolder(home, kept), serviceUser());
  }
  noteCluster(home, kept);
}

/** @throws E_DATABASE where there was a database and is none; a fresh one would look like a workspace without runs */
export function refuseLostData(home: string): void {
  const cluster = readCluster(home);
  if (cluster === undefined || process.env.LEGALONE_DATABASE_URL) return;
  const data = dataFolder(home, cluster);
  if (cluster.made && !existsSync(join(data, "PG_VERSION"))) throw dataIsGone(data, home);
}

/** Removes the data of a workspace that is given up: a restore that did not come to its end. */
export function removeCluster(home: string): void {
  const cluster = readCluster(home);
  if (cluster === undefined) return;
  const data = dataFolder(home, cluster);
  rmSync(cluster.place === "service" ? dirname(data) : data, { recursive: true, force: true });
}

function openSockets(home: string, user: ReturnType<typeof serviceUser>): string {
  openSocketFolder(home);
  const folder = postgresSocketFolder(home);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Puts the files of a new cluster on disk while it is already used; until then a power cut loses a fresh start. */
function syncCluster(binaries: string, data: string, user: ReturnType<typeof serviceUser>): void {
  const words = ["--sync-only", "-D", data];
  const options = { ...user, cwd: "/", env: postgresEnv, detached: true, stdio: "ignore" as const };
  spawn(join(binaries, "bin", "initdb"), words, options).unref();
}

/** SSLRequest of the wire protocol: any PostgreSQL answers it with one letter before it asks who we are. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

async function answers(home: string): Promise<boolean> {
  if (postmaster(home)?.ready !== true) return false;
  return (await ask(join(postgresSocketFolder(home), ".s.PGSQL.5432"), sslRequest)) !== undefined;
}

/**
 * What the server of this workspace wrote about itself: pid in the first line, its state in the eighth. The file of a
 * copied folder names the server of the original: ours is named by our note, or works in our folder.
 */
function postmaster(home: string): { pid: number; ready: boolean } | undefined {
  const cluster = readCluster(home);
  if (cluster === undefined) return undefined;
  const data = dataFolder(home, cluster);
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(lines[0]);
    const ours = readDaemon(noteOf(home))?.pid === pid || worksIn(pid, data) || false;
    return ours ? { pid, ready: lines[7]?.trim() === "ready" } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process has this working folder; where that is not told, whether it runs. */
function worksIn(pid: number, folder: string): boolean {
  if (startTime(pid) === undefined) return false;
  if (process.platform !== "linux") return true;
  try {
    return isSameFolder(`/proc/${pid}/cwd/`, folder);
  } catch {
    // Root without the right to look at processes of other users, as in a container.
    return true;
  }
}

function lastLine(log: string): string {
  try {
    return readFileSync(log, "utf8").trim().split("\n").slice(-2).join(" / ");
  } catch {
    return "it wrote no log";
  }
}
