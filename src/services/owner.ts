import { spawn } from "node:child_process";
import { isSameProcess, startTime } from "../core/start-time.ts";

/** The process named in LEGALONE_OWNER_PID: what this workspace's daemons must not outlive. */
export interface Owner {
  pid: number;
  start: string;
}

/** The owner, or undefined in production. An owner that is gone already has the start time "gone". */
export function owner(): Owner | undefined {
  const pid = Number(process.env.LEGALONE_OWNER_PID);
  return Number.isInteger(pid) && pid > 0 ? { pid, start: startTime(pid) ?? "gone" } : undefined;
}

/** Sleeps until $1 (started at $2) is gone or $3 (at $4) is, then sends $5 to $6: $3, or its process group. */
const watch = `
start() {
  if [ -r /proc/self/stat ]; then
    boot=
    [ -r /proc/sys/kernel/random/boot_id ] && read -r boot < /proc/sys/kernel/random/boot_id
    { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 0
    set -- \${line##*) }
    case $1 in Z|X) return 0;; esac
    found=$boot:\${20}
  else
    found=$(LC_ALL=C ps -o lstart= -p "$1" | sed 's/ *$//')
  fi
}
same() { found=; start "$1"; [ "$found" = "$2" ]; }
while same "$1" "$2"; do
  same "$3" "$4" || exit 0
  sleep 0.5
done
same "$3" "$4" && kill -s "$5" -- "$6"
`;

/**
 * When LEGALONE_OWNER_PID is set, leaves a small watcher behind that ends the daemon `pid` with `signal`
 * within a second of its owner's end, however that ended; with `group` all of its process group.
 */
export function endWithOwner(pid: number, signal: "TERM" | "QUIT" | "KILL", { group = false } = {}): void {
  const who = owner();
  const start = startTime(pid);
  if (who === undefined || start === undefined) return;
  const target = group ? -pid : pid;
  const words = [who.pid, who.start, pid, start, signal, target].map(String);
  const options = { detached: true, stdio: "ignore" as const, cwd: "/" };
  spawn("/bin/sh", ["-c", watch, "legalone-watch", ...words], options).unref();
}

/** For daemons that are this program: calls `leave` once the owner is gone. Keeps no process alive. */
export function leaveWithOwner(leave: () => void): void {
  const who = owner();
  if (who === undefined) return;
  const timer = setInterval(() => {
    if (isSameProcess(who.pid, who.start)) return;
    clearInterval(timer);
    leave();
  }, 500);
  timer.unref();
}
