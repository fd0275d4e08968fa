import { readFileSync, writeFileSync } from "node:fs";

/** Begins a new peak; where that is not allowed the peak stays the one since the start of the process. */
export function forgetPeak(pid) {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {}
}

/** Most memory a process has held since forgetPeak, in MiB; NaN where the system does not tell. */
export function peakMib(pid) {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kib) / 1024);
  } catch {
    return Number.NaN;
  }
}
