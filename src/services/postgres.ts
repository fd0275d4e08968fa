import { spawn, spawnSync } from "node:child_process";
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionSpec } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { workspace } from "../core/paths.ts";
import { databaseSpec, postgresSocketFolder } from "./addresses.ts";
import { withLock } from "./lock.ts";
import { endWithOwner, owner } from "./owner.ts";
import { postgresBinaries } from "./postgres-binaries.ts";
import { dataFolder, makeCluster, postgresEnv } from "./postgres-cluster.ts";
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
  if (process.env.LEGALONE_DATABASE_URL || (await answers(home))) return spec;
  return withLock(join(home, "postgres.lock"), async () => {
    if (!(await answers(home))) await start(home);
    return spec;
  });
}

/** Stops it and waits for its end: connections are cut, committed rows are on disk. False when none ran. */
export async function stopPostgres(home = workspace()): Promise<boolean> {
  if (process.env.LEGALONE_DATABASE_URL || !existsSync(join(home, "postgres.json"))) return false;
  const user = serviceUser();
  const data = dataFolder(home, user);
  if (postmaster(data) === undefined) return false;
  const program = join(postgresBinaries(user), "bin", "pg_ctl");
  const mode = owner() === undefined ? "fast" : "immediate";
  spawnSync(program, ["-D", data, "-w", "-m", mode, "stop"], { ...user, cwd: "/", env: postgresEnv });
  return true;
}

/** Whether it runs; never starts anything. */
export async function postgresStatus(home = workspace()): Promise<ServiceStatus> {
  if (process.env.LEGALONE_DATABASE_URL) return { state: "external" };
  if (!(await answers(home))) return { state: "stopped" };
  const pid = postmaster(dataFolder(home, serviceUser()))?.pid;
  return pid === undefined ? { state: "running" } : { state: "running", pid };
}

async function start(home: string): Promise<void> {
  const user = serviceUser();
  const throwaway = owner() !== undefined;
  const sockets = openSockets(home, user);
  const binaries = postgresBinaries(user);
  const data = dataFolder(home, user);
  const made = makeCluster(binaries, data, user, throwaway);
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
        if (server.pid !== undefined) endWithOwner(server.pid, "QUIT");
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
  const note = join(home, "postgres.json");
  if (!existsSync(note)) return false;
  if (postmaster(dataFolder(home, undefined))?.ready !== true) return false;
  return (await ask(join(postgresSocketFolder(home), ".s.PGSQL.5432"), sslRequest)) !== undefined;
}

/** What the server wrote about itself: pid in the first line, its state in the eighth. */
function postmaster(data: string): { pid: number; ready: boolean } | undefined {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    return { pid: Number(lines[0]), ready: lines[7]?.trim() === "ready" };
  } catch {
    return undefined;
  }
}

function lastLine(log: string): string {
  try {
    return readFileSync(log, "utf8").trim().split("\n").slice(-2).join(" / ");
  } catch {
    return "it wrote no log";
  }
}
