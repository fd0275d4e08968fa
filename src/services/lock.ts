import { linkSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../core/errors.ts";
import { makeHome } from "../core/own-folder.ts";
import { type ProcessMark, processMark, whereabouts } from "../core/start-time.ts";
import { createWhole } from "../core/whole-file.ts";
import { inodeOf } from "../core/workspace-note.ts";

const pollMs = 20;
const defaultPatienceMs = 60_000;

/**
 * Runs `work` while no other process runs under the same lock file. A file left by a process that ended, or that came
 * with a copied folder, counts as free. One of another machine that shares the folder is waited
 * for. The file lies in the workspace, which is made where there is none.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  patienceMs = defaultPatienceMs,
): Promise<T> {
  makeHome(dirname(path));
  const deadline = Date.now() + patienceMs;
  while (!tryLock(path)) {
    if (Date.now() > deadline) throw isHeld(path, patienceMs);
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function isHeld(path: string, patienceMs: number): LegaloneError {
  const held = holder(path);
  const far = held !== undefined && whereabouts(held) === "elsewhere";
  const who = `process ${held?.pid}${far ? ` on ${held.host}` : ""}`;
  return new LegaloneError(
    "E_CONFLICT",
    `another command (${who}) has held ${path} for ${patienceMs / 1000} s`,
    {
      hint: far
        ? "Wait for that command; when that machine is gone, remove the file."
        : "Wait for that command, or end it.",
    },
  );
}

interface Holder extends ProcessMark {
  /** Number of the lock's folder: that of a copy is another. */
  inode?: string;
  text: string;
}

function tryLock(path: string): boolean {
  const inode = inodeOf(dirname(path));
  const held = holder(path);
  const copied = held?.inode !== undefined && held.inode !== inode;
  if (held !== undefined && (copied || whereabouts(held) === "gone")) removeStale(path, held.text);
  // Nobody ever reads a half-written lock.
  return createWhole(path, JSON.stringify({ ...processMark(process.pid), inode }));
}

/** Two processes may find the same stale file: the one that moves away a fresh lock by mistake puts it back. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== text) linkSync(aside, path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function holder(path: string): Holder | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return { ...(JSON.parse(text) as ProcessMark), text };
  } catch {
    // Of an old version: the pid and the start time.
    const space = text.indexOf(" ");
    return { pid: Number(text.slice(0, space)), start: text.slice(space + 1), text };
  }
}
