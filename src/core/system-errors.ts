import type { ErrorCode } from "./error-codes.ts";
import { type ErrorOptions, LegaloneError } from "./errors.ts";
import { workspace } from "./paths.ts";

/** An error that the operating system gave to Node: what was tried, on what, and what came of it. */
export interface SystemError extends Error {
  code: string;
  syscall: string;
  path?: string;
  dest?: string;
  address?: string;
  port?: number;
}

/** The error of the operating system in `error` or its causes; undefined where there is none. */
export function systemErrorIn(error: unknown): SystemError | undefined {
  let at = error as { code?: unknown; syscall?: unknown; cause?: unknown } | null | undefined;
  for (let depth = 0; depth < 8 && typeof at === "object" && at; depth++) {
    if (typeof at.code === "string" && typeof at.syscall === "string") return at as SystemError;
    at = at.cause as typeof at;
  }
  return undefined;
}

/** True for one of a file or folder of this machine, not of a connection. */
export function isFileError({ syscall, path, address }: SystemError): boolean {
  if (path !== undefined) return !/^(connect|spawn)/.test(syscall);
  return address === undefined && fileCalls.has(syscall);
}

/** Calls on a file that is open already: they name no path. `read` and `write` may be of a socket too. */
const fileCalls = new Set([
  "fstat",
  "ftruncate",
  "fsync",
  "fdatasync",
  "futimes",
  "fchmod",
  "fchown",
  "uv_cwd",
]);

/**
 * What an error of the operating system means to whoever gave the command: E_FILE, E_DISK_FULL, E_SETUP for a program
 * that cannot be started, E_SERVE for an address that does not answer. Undefined for everything else.
 */
export function environmentError(error: unknown): LegaloneError | undefined {
  const found = systemErrorIn(error);
  return found === undefined ? refusedByNode(error) : meaningOf(found, error);
}

function meaningOf(found: SystemError, cause: unknown): LegaloneError {
  const { code, syscall, path, dest, address, port } = found;
  const fields = { errno: code, syscall, ...(path === undefined ? {} : { path }) };
  const as = (meant: ErrorCode, message: string, hint: string) =>
    new LegaloneError(meant, message, { cause, fields, hint });
  if (code === "ENOSPC" || code === "EDQUOT")
    return as(
      "E_DISK_FULL",
      `the disk of ${path ?? workspace()} is full: cannot ${verb(syscall)} ${place(path, dest)}`,
      "`legalone gc` removes what no run needs any more.",
    );
  if (syscall.startsWith("spawn")) {
    const program = path ?? syscall.replace(/^spawn\s*/, "");
    return as(
      "E_SETUP",
      `cannot start ${program || "a program"}: ${saying(code)}`,
      "`legalone doctor` checks this machine.",
    );
  }
  if (address !== undefined || /^(connect|getaddrinfo|listen|bind)/.test(syscall)) {
    const where = [address, port].filter((part) => part !== undefined).join(":");
    return as(
      "E_SERVE",
      `cannot ${syscall}${where ? ` ${where}` : ""}: ${code}`,
      "`legalone doctor` checks this machine.",
    );
  }
  const what = code === "ENOENT" && syscall === "mkdir" ? "the folder above is not there" : saying(code);
  return as("E_FILE", `cannot ${verb(syscall)} ${place(path, dest)}: ${what}`, remedy(code, path));
}

/** What Node itself refuses before it asks the system. */
function refusedByNode(error: unknown): LegaloneError | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string };
  const options: ErrorOptions = { cause: error };
  if (code === "ERR_INVALID_ARG_VALUE" && /null bytes/.test(message ?? ""))
    return new LegaloneError("E_USAGE", "a path holds the character \\0, which no path may", options);
  if (code === "ERR_FS_FILE_TOO_LARGE" || code === "ERR_STRING_TOO_LONG")
    return new LegaloneError("E_FILE", `a file is too large to be read: ${message}`, options);
  if (code === "ERR_INVALID_URL" || String(code).startsWith("ERR_INVALID_FILE_URL"))
    return new LegaloneError("E_USAGE", `an address is not of the form of one: ${message}`, options);
  return undefined;
}

const verbs: Record<string, string> = {
  uv_cwd: "find the working folder,",
  mkdir: "make the folder",
  scandir: "list the folder",
  opendir: "list the folder",
  stat: "look at",
  lstat: "look at",
  statfs: "look at the disk of",
  access: "look at",
  realpath: "look at",
  readlink: "look at",
  unlink: "remove",
  rm: "remove",
  rmdir: "remove the folder",
  chmod: "set the rights of",
  chown: "give away",
  copyfile: "copy",
};

function verb(syscall: string): string {
  return verbs[syscall] ?? syscall;
}

function place(path: string | undefined, dest: string | undefined): string {
  return `${path ?? "a file"}${dest === undefined ? "" : ` to ${dest}`}`;
}

const sayings: Record<string, string> = {
  ENOENT: "it is not there",
  ENOTDIR: "a part of this path is not a folder",
  EISDIR: "it is a folder, expected a file",
  EEXIST: "something of this name is there already",
  ELOOP: "its links lead in a circle",
  ENAMETOOLONG: "the name is too long",
  EROFS: "it lies on a disk that is read-only",
  EMFILE: "this process has too many open files",
  ENFILE: "this machine has too many open files",
  EIO: "the disk reports an error",
  ESTALE: "the file server has lost it",
  ENOMEM: "this machine has no memory left",
};

function saying(code: string): string {
  const user = process.getuid?.();
  if (code === "EACCES" || code === "EPERM")
    return `it is closed to ${user === undefined ? "this user" : `user ${user}`} (${code})`;
  return sayings[code] === undefined ? code : `${sayings[code]} (${code})`;
}

function remedy(code: string, path: string | undefined): string {
  if (code === "EMFILE" || code === "ENFILE")
    return "Raise the limit (`ulimit -n`), or close other programs.";
  const what = path === undefined ? "it" : path;
  const named =
    path === undefined || isWithin(workspace(), path) ? "; LEGALONE_HOME names the workspace." : ".";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return `Make ${what} accessible to this user, or name another place${named}`;
  return `Name another place, or mend this one${named}`;
}

/** Whether a path is a folder, lies in it, or is above it. */
function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`) || folder.startsWith(`${path}/`);
}
