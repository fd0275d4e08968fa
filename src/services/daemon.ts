import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../core/errors.ts";
import { realPath } from "../core/paths.ts";
import {
  isOfThisBoot,
  isSameProcess,
  type ProcessMark,
  processMark,
  whereabouts,
} from "../core/start-time.ts";
import { replaceWhole } from "../core/whole-file.ts";
import { inodeOf, knownWorkspaceId, workspaceId } from "../core/workspace-note.ts";

/** A daemon that works says so this often, by the time of its note; one silent for six times that has ended. */
const beatMs = 10_000;

/**
 * A daemon's file in the workspace. The start time tells it from a later process with the same pid, name and number of the
 * folder from the note of another workspace that was copied.
 */
export interface DaemonNote extends ProcessMark {
  workspace?: string;
  inode?: string;
  /** Where the folder lay when the daemon began: what it still writes to. */
  home?: string;
  [more: string]: unknown;
}

/** Writes the note of a running daemon, readable only by us: serve's holds a token. */
export function writeDaemon(path: string, note: { pid: number; [more: string]: unknown }): void {
  const home = dirname(path);
  const belongs = { workspace: workspaceId(home), inode: inodeOf(home), home: realPath(home) };
  replaceWhole(path, JSON.stringify({ ...note, ...processMark(note.pid), ...belongs }), 0o600);
}

/**
 * The note of a daemon of this workspace that runs on this machine, or undefined: a note of a process that is gone, or
 * that came with a copied folder, is never trusted.
 */
export function readDaemon(path: string): DaemonNote | undefined {
  const note = noteAt(path);
  return note !== undefined && whereabouts(note) === "runs" ? note : undefined;
}

/**
 * Refuses while the daemon of a note seems to run on another machine or in another container. One whose data would be
 * damaged by a second (`keeps` data) is believed without a sign of life too, unless this very machine would have seen it end.
 * @throws E_WORKSPACE
 */
export function refuseElsewhere(path: string, name: string, { keeps = false } = {}): void {
  const note = noteAt(path);
  if (note === undefined || whereabouts(note) !== "elsewhere") return;
  const silentMs = nowOf(dirname(path)) - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const believed = keeps && !isOfThisBoot(note.start);
  if (silentMs > 6 * beatMs && !believed) return;
  const seen = `last heard of ${Math.round(silentMs / 1000)} s ago`;
  throw new LegaloneError(
    "E_WORKSPACE",
    `${name} of this workspace runs on ${note.host} (process ${note.pid} there), ${seen}`,
    {
      hint: believed
        ? "Stop it there with `legalone down`. Where that machine is gone: `legalone adopt --moved`."
        : `Stop it there with \`legalone down\`; where it has ended, this command works ${(6 * beatMs) / 1000} s after that.`,
    },
  );
}

/** Until the process ends, says now and then that the daemons of these notes work, for machines that share the folder. */
export function keepNotes(paths: readonly string[]): NodeJS.Timeout {
  const beat = () => {
    for (const path of paths) {
      try {
        if (readDaemon(path) === undefined) continue;
        const now = nowOf(dirname(path)) / 1000;
        utimesSync(path, now, now);
      } catch {
        // The next beat may succeed.
      }
    }
  };
  return setInterval(beat, beatMs).unref();
}

/**
 * The time that the file system of a folder gives to what is written now, in ms. Machines that share the folder have it in
 * common; their own clocks may differ from it and from each other.
 */
function nowOf(folder: string): number {
  const probe = join(folder, `.now-${hostname()}-${process.pid}`);
  try {
    writeFileSync(probe, "");
    return statSync(probe).mtimeMs;
  } catch {
    // A folder that nothing can be written to has no other clock.
    return Date.now();
  } finally {
    rmSync(probe, { force: true });
  }
}

/** A note of this workspace; of an old version without its name, the folder's own. */
function noteAt(path: string): DaemonNote | undefined {
  const note = parsed(path);
  const home = dirname(path);
  const ours =
    note?.workspace === undefined ||
    (note.workspace === knownWorkspaceId(home) && note.inode === inodeOf(home));
  return ours ? note : undefined;
}

/** Whether a note came here with a copy of its folder. */
export function isCopiedNote(path: string): boolean {
  const inode = parsed(path)?.inode;
  return inode !== undefined && inode !== inodeOf(dirname(path));
}

function parsed(path: string): DaemonNote | undefined {
  try {
    const note = JSON.parse(readFileSync(path, "utf8")) as DaemonNote;
    return typeof note?.start === "string" ? note : undefined;
  } catch {
    return undefined;
  }
}

/** Asks the daemon to end (TERM), waits `patienceMs`, then kills it. False when none ran. Removes its note. */
export async function endDaemon(path: string, patienceMs: number): Promise<boolean> {
  const note = readDaemon(path);
  if (note === undefined) return false;
  signal(note.pid, "SIGTERM");
  const deadline = Date.now() + patienceMs;
  while (isSameProcess(note.pid, note.start)) {
    if (Date.now() > deadline) signal(note.pid, "SIGKILL");
    await sleep(10);
  }
  rmSync(path, { force: true });
  return true;
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
