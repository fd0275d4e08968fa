import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { procFields } from "../../core/start-time.ts";

/**
 * Processes of a session other than its leader. On macOS, where sessions are not told, those of its process
 * group. A worker's helpers stay in it unless they open a session of their own.
 */
export function sessionMembers(leader: number): number[] {
  const members = process.platform === "linux" ? fromProc(leader) : fromPs(leader);
  return members.filter((pid) => pid !== leader);
}

/** Sends a signal; a process that is gone is no error. True when it was there. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Linux: the session of a process that works in `folder` (its real path); undefined when there is none. */
export function sessionIn(folder: string): number | undefined {
  if (process.platform !== "linux") return undefined;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || workingFolder(name) !== folder) continue;
    const fields = procFields(Number(name));
    if (fields !== undefined && fields[0] !== "Z") return Number(fields[3]);
  }
  return undefined;
}

/** Undefined for processes that are gone or not ours. */
function workingFolder(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

function fromProc(leader: number): number[] {
  const wanted = String(leader);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const fields = procFields(pid);
      return fields !== undefined && fields[0] !== "Z" && (fields[3] === wanted || fields[2] === wanted);
    });
}

function fromPs(leader: number): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,pgid=,stat="], { encoding: "utf8" }).split("\n");
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, group, state]) => group === String(leader) && !state?.startsWith("Z"))
    .map(([pid]) => Number(pid));
}
