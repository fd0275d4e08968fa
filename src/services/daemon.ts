import { readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isSameProcess, startTime } from "../core/start-time.ts";
import { replaceWhole } from "../core/whole-file.ts";

/** A daemon's file in the workspace. The start time tells it from a later process with the same pid. */
export interface DaemonNote {
  pid: number;
  start: string;
  [more: string]: unknown;
}

/** Writes the note of a running daemon, readable only by us: serve's holds a token. */
export function writeDaemon(path: string, note: { pid: number; [more: string]: unknown }): void {
  const text = JSON.stringify({ ...note, start: startTime(note.pid) ?? "gone" });
  replaceWhole(path, text, 0o600);
}

/** The note of a daemon that runs, or undefined: a note of a process that is gone is never trusted. */
export function readDaemon(path: string): DaemonNote | undefined {
  let note: DaemonNote;
  try {
    note = JSON.parse(readFileSync(path, "utf8")) as DaemonNote;
  } catch {
    return undefined;
  }
  return typeof note.start === "string" && isSameProcess(note.pid, note.start) ? note : undefined;
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
