import { closeSync, fsyncSync, lstatSync, openSync, statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import { LegaloneError } from "../../core/errors.ts";

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
  const seen = lstatSync(path, { throwIfNoEntry: false });
  return seen?.isFile() ? seen.size : undefined;
}

/** Bytes that transfers leave free on a disk, for the control plane and its database: `LEGALONE_DISK_RESERVE` in bytes. */
export function diskReserve(env: NodeJS.ProcessEnv = process.env): number {
  const text = env.LEGALONE_DISK_RESERVE;
  if (text === undefined || text === "") return 256 * 1024 * 1024;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new LegaloneError(
    "E_USAGE",
    `LEGALONE_DISK_RESERVE is ${JSON.stringify(text)}; expected a number of bytes, such as 1073741824`,
  );
}

/**
 * The reserve is never more than a twentieth of the disk, so that a small one can be used at all.
 * @throws an error of code ENOSPC when `bytes` do not fit on the disk of `folder` beside the reserve
 */
export function checkRoom(folder: string, bytes: number): void {
  const disk = statfsSync(folder);
  const free = disk.bavail * disk.bsize;
  const kept = Math.min(diskReserve(), Math.floor((disk.blocks * disk.bsize) / 20));
  if (bytes <= free - kept) return;
  const message = `${bytes} bytes are to be written to ${folder}, ${free} are free and ${kept} of them stay so`;
  throw Object.assign(new Error(message), { code: "ENOSPC" });
}
