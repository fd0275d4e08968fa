import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";

/**
 * Opens a file where a worker may have put something else. A pipe would keep this process waiting for ever, and what a
 * link leads to is not the worker's to show.
 * @throws EISDIR, ELOOP (a link), … for all that is no file, see isNoFile(); ENOENT, … as they come
 */
export function openFile(path: string): number {
  return opened(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
}

function opened(path: string, flags: number): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, flags, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A link, a socket, a device without a driver.
    if (code !== undefined && ["ELOOP", "ENXIO", "ENODEV"].includes(code)) throw noFile(path, code);
    throw error;
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw noFile(path);
}

/**
 * Opens a file to append to, or makes it for this user alone; on the same terms.
 * @throws as openFile()
 */
export function openToAppend(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOFOLLOW } = constants;
  return opened(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOFOLLOW);
}

/** Reads a file as openFile() opens it. @throws EFBIG when it has more than `most` bytes */
export function readWholeFile(path: string, most: number): Buffer {
  const descriptor = openFile(path);
  try {
    const { size } = fstatSync(descriptor);
    if (size > most)
      throw Object.assign(new Error(`${size} bytes, at most ${most} are taken`), { code: "EFBIG" });
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether an error says that something else than a file stands there. */
export function isNoFile(error: unknown): boolean {
  return ["EISDIR", "ELOOP", "ENXIO", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function noFile(path: string, code = "EISDIR"): Error {
  return Object.assign(new Error(`${path} is a link, a folder, a pipe or a device, expected a file`), {
    code,
  });
}

/** Writes a file that appears with its content or not at all. False when there is one already. @throws ENOSPC, … */
export function createWhole(path: string, text: string): boolean {
  return beside(path, text, 0o666, (own) => {
    try {
      linkSync(own, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  });
}

/** The same, in the place of one that may be there. */
export function replaceWhole(path: string, text: string | Buffer, mode = 0o666): void {
  beside(path, text, mode, (own) => renameSync(own, path));
}

function beside<T>(path: string, text: string | Buffer, mode: number, place: (own: string) => T): T {
  // A name that nobody can have taken before, with a folder or with a link that would lead the text elsewhere.
  const own = `${path}.${process.pid}-${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(own, text, { mode, flag: "wx" });
    return place(own);
  } finally {
    rmSync(own, { force: true });
  }
}
