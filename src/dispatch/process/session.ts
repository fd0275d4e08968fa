import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
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
