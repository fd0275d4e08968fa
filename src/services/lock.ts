import { linkSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../core/errors.ts";
import { makeHome } from "../core/own-folder.ts";
import { isSameProcess, startTime } from "../core/start-time.ts";
import { createWhole } from "../core/whole-file.ts";

const pollMs = 20;
const patienceMs = 60_000;

/**
 * Runs `work` while no other process of this machine runs under the same lock file. A file left by a process
 * that ended counts as free. The file lies in the workspace, which is made where there is none.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  makeHome(dirname(path));
  const deadline = Date.now() + patienceMs;
  while (!tryLock(path)) {
    if (Date.now() > deadline)
      throw new LegaloneError(
        "E_CONFLICT",
        `another command (process ${holder(path)?.pid}) has held ${path} for a minute`,
        {
          hint: "Wait for that command, or end it.",
        },
      );
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryLock(path: string): boolean {
  const held = holder(path);
  if (held !== undefined && !isSameProcess(held.pid, held.start)) removeStale(path, held.text);
  // Nobody ever reads a half-written lock.
  return createWhole(path, `${process.pid} ${startTime(process.pid)}`);
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

function holder(path: string): { pid: number; start: string; text: string } | undefined {
  try {
    const text = readFileSync(path, "utf8");
    const space = text.indexOf(" ");
    return { pid: Number(text.slice(0, space)), start: text.slice(space + 1), text };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
