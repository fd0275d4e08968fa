import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * How often the kernel has killed a process for want of memory: in the control group of this program, which its workers
 * share, or, where that is not counted, on the machine. Undefined where nothing tells (no Linux).
 * @param root folder above `proc` and `sys`
 */
export function oomKills(root = "/"): number | undefined {
  for (const file of countersOf(root)) {
    const count = /^oom_kill (\d+)$/m.exec(textOf(join(root, file)) ?? "")?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}

/** Files that count, the nearest first. The group of the whole machine has no counter of its own. */
function countersOf(root: string): string[] {
  const groups = (textOf(join(root, "proc/self/cgroup")) ?? "").split("\n").map((line) => line.split(":"));
  const unified = groups.find(([number]) => number === "0")?.[2];
  const memory = groups.find(([, controllers]) => controllers === "memory")?.[2];
  return [
    ...(unified === undefined ? [] : [join("sys/fs/cgroup", unified, "memory.events")]),
    ...(memory === undefined ? [] : [join("sys/fs/cgroup/memory", memory, "memory.oom_control")]),
    "proc/vmstat",
  ];
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
