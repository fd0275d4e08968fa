import { readdirSync, readlinkSync } from "node:fs";
import { procFields } from "../../../src/core/start-time.ts";
import { signal } from "../../../src/dispatch/process/session.ts";

/** Sends a signal to each that is still there. */
export function signalAll(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) if (pid > 1) signal(pid, name);
}

export function childrenOf(pid: number): number[] {
  return allPids().filter((other) => procFields(other)?.[1] === String(pid));
}

/** Processes that work in a folder or below it; zombies are none. */
export function processesIn(folder: string): number[] {
  return allPids().filter((pid) => {
    const cwd = workingFolder(pid);
    return (
      cwd !== undefined && (cwd === folder || cwd.startsWith(`${folder}/`)) && procFields(pid)?.[0] !== "Z"
    );
  });
}

function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, "");
  } catch {
    return undefined;
  }
}

function allPids(): number[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}
