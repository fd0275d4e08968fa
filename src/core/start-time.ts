import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

const bootIdFile = "/proc/sys/kernel/random/boot_id";
let bootId: string | undefined;

/**
 * When a process started, as text that is only compared, never read: `<boot id>:<clock ticks>` on Linux,
 * the words of `ps` elsewhere. With the pid it names one process for ever, since pids are used again.
 * Undefined when no such process runs; a zombie counts as gone.
 */
export function startTime(pid: number): string | undefined {
  return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
}

/** True while exactly this process runs. */
export function isSameProcess(pid: number, start: string): boolean {
  return startTime(pid) === start;
}

/**
 * Names where a pid of this process's view means what it says: one boot of one machine and, on Linux, one space of pids (a
 * container has its own). Elsewhere than on Linux the host's name has to do. Two that share a folder differ in it.
 */
export function machine(): string {
  if (process.platform !== "linux") return hostname();
  return `${thisBoot()}/${pidSpace()}`;
}

/** Whether a start time tells of this boot: what another one started, here or on another machine, does not run here. */
export function isOfThisBoot(start: string): boolean {
  return process.platform !== "linux" || start.startsWith(`${thisBoot()}:`);
}

/** A process in words that mean something on other machines and in other containers too. */
export interface ProcessMark {
  pid: number;
  start: string;
  /** Where the pid counts, and the machine's name, which stays the same when it is started anew. Absent in older notes. */
  machine?: string;
  host?: string;
}

export function processMark(pid: number): ProcessMark {
  return { pid, start: startTime(pid) ?? "gone", machine: machine(), host: hostname() };
}

/**
 * Whether a marked process runs. `elsewhere`: it belongs to another machine or container, whose processes cannot be seen
 * from here. A machine that was started anew has ended all it ran before.
 */
export function whereabouts({
  pid,
  start,
  machine: there,
  host,
}: ProcessMark): "runs" | "gone" | "elsewhere" {
  if (there === undefined || there === machine()) return isSameProcess(pid, start) ? "runs" : "gone";
  const sameBoot = there.startsWith(`${thisBoot()}/`);
  return sameBoot || host !== hostname() ? "elsewhere" : "gone";
}

function thisBoot(): string {
  bootId ??= existsSync(bootIdFile) ? readFileSync(bootIdFile, "utf8").trim() : "";
  return bootId;
}

function pidSpace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    return "";
  }
}

/** Fields of /proc/<pid>/stat after the name, which may hold spaces: [0] state, [2] group, [3] session. */
export function procFields(pid: number): string[] | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function fromProc(pid: number): string | undefined {
  const fields = procFields(pid);
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return `${thisBoot()}:${fields[19]}`;
}

function fromPs(pid: number): string | undefined {
  try {
    const text = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    return text === "" || text.startsWith("Z") ? undefined : text.replace(/^\S+\s+/, "");
  } catch {
    return undefined;
  }
}
