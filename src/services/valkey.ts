import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { QueueSpec } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { workspace } from "../core/paths.ts";
import { workspaceId } from "../core/workspace-note.ts";
import { queueSpec, valkeySocket } from "./addresses.ts";
import { endDaemon, readDaemon, refuseElsewhere, writeDaemon } from "./daemon.ts";
import { settleHome } from "./home.ts";
import { withLock } from "./lock.ts";
import { endWithOwner } from "./owner.ts";
import type { ServiceStatus } from "./postgres.ts";
import { openSocketFolder } from "./socket-folder.ts";
import { ask } from "./socket-talk.ts";
import { valkeyBinary } from "./valkey-binary.ts";

const startPatienceMs = 20_000;
/** It writes its log file to disk on TERM; longer than this is a fault. */
const stopPatienceMs = 10_000;

/** Starts the embedded Valkey of this workspace unless it runs or LEGALONE_REDIS_URL names another. */
export async function startValkey(home = workspace()): Promise<QueueSpec> {
  const spec = queueSpec(home);
  if (process.env.LEGALONE_REDIS_URL) return spec;
  settleHome(home);
  if (await answers(home)) return spec;
  return withLock(join(home, "valkey.lock"), async () => {
    if (!(await answers(home))) await start(home);
    return spec;
  });
}

/** Stops it and waits for its end. False when none ran. */
export async function stopValkey(home = workspace()): Promise<boolean> {
  if (process.env.LEGALONE_REDIS_URL) return false;
  return endDaemon(stateFile(home), stopPatienceMs);
}

/** Whether it runs; never starts anything. */
export async function valkeyStatus(home = workspace()): Promise<ServiceStatus> {
  if (process.env.LEGALONE_REDIS_URL) return { state: "external" };
  if (!(await answers(home))) return { state: "stopped" };
  const pid = readDaemon(stateFile(home))?.pid;
  return pid === undefined ? { state: "running" } : { state: "running", pid };
}

function stateFile(home: string): string {
  return join(home, "valkey.json");
}

async function start(home: string): Promise<void> {
  workspaceId(home);
  refuseElsewhere(stateFile(home), "Valkey");
  // One that lost its socket file cannot be reached, yet holds the data.
  await endDaemon(stateFile(home), stopPatienceMs);
  openSocketFolder(home);
  const folder = join(home, "valkey");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const settings: Record<string, string> = {
    port: "0",
    unixsocket: valkeySocket(home),
    unixsocketperm: "700",
    // Its working folder: a path with spaces or quotes would be cut to pieces.
    dir: ".",
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
  };
  const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const log = join(folder, "server.log");
  const output = openSync(log, "a", 0o600);
  const server = spawn(valkeyBinary(), words, {
    cwd: folder,
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  let ended = false;
  server.once("exit", () => (ended = true));
  server.once("error", () => (ended = true));
  const deadline = Date.now() + startPatienceMs;
  while (!ended && Date.now() < deadline) {
    if (await answers(home)) {
      server.unref();
      if (server.pid === undefined) break;
      writeDaemon(stateFile(home), { pid: server.pid });
      endWithOwner(server.pid, "TERM");
      return;
    }
    await sleep(5);
  }
  server.kill("SIGKILL");
  throw new LegaloneError("E_QUEUE", `Valkey did not start: ${lastLine(log)}`, {
    hint: `Its log is ${log}. LEGALONE_REDIS_URL names a server of your own instead.`,
  });
}

/** While it reads its data it answers -LOADING, which is not yet an answer. */
async function answers(home: string): Promise<boolean> {
  const answer = await ask(valkeySocket(home), Buffer.from("PING\r\n"));
  return answer?.toString("latin1").startsWith("+PONG") === true;
}

function lastLine(log: string): string {
  try {
    return readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";
  } catch {
    return "it wrote no log";
  }
}
