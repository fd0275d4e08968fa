import { closeSync, fsyncSync, openSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";

/** Waits until the entries of a folder are on disk. */
export function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Waits until a file is on disk, without holding up others. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Bytes of a file, or undefined when it is not there. */
export function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** @throws an error of code ENOSPC when `bytes` do not fit on the disk of `folder` */
export function checkRoom(folder: string, bytes: number): void {
  const disk = statfsSync(folder);
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  const message = `${bytes} bytes are to be written to ${folder}, ${free} are free`;
  throw Object.assign(new Error(message), { code: "ENOSPC" });
}
