import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeFolder } from "./remove-folder.ts";

/** True where file systems can be mounted: as root, and not in a container without the right. */
export function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), "legalone-test-"));
  try {
    mountDisk(folder, 1);
    unmountDisk(folder);
    return true;
  } catch {
    return false;
  } finally {
    removeFolder(folder);
  }
}

/** A disk of so many MiB at `folder`: a tmpfs, which goes with this process. Needs root. */
export function mountDisk(folder: string, megabytes: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "legalone-test", folder], {
    stdio: "ignore",
  });
  chmodSync(folder, 0o711);
  unmountAfterwards(folder);
}

/** The folder `from` at `folder` too, as a shared disk would be; it goes with this process. Needs root. */
export function mountShared(from: string, folder: string): void {
  execFileSync("mount", ["--bind", from, folder], { stdio: "ignore" });
  unmountAfterwards(folder);
}

function unmountAfterwards(folder: string): void {
  // Nobody else would take it away when this process is killed.
  const wait = `while kill -0 ${process.pid} 2>/dev/null && mountpoint -q "$1"; do sleep 1; done; umount -l "$1"`;
  spawn("/bin/sh", ["-c", wait, "legalone-test-unmount", folder], {
    detached: true,
    stdio: "ignore",
  }).unref();
}

export function unmountDisk(folder: string): void {
  execFileSync("umount", ["-l", folder], { stdio: "ignore" });
}

/** Leaves no byte free on the disk that is mounted at `folder`. */
export function fillDisk(folder: string, megabytes: number): void {
  try {
    writeFileSync(ballastOf(folder), Buffer.alloc(megabytes * 1024 * 1024));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

/** Makes room again, where fillDisk() took it. */
export function emptyDisk(folder: string): void {
  rmSync(ballastOf(folder), { force: true });
}

function ballastOf(folder: string): string {
  return join(folder, "ballast");
}
