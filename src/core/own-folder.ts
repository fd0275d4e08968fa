import { chmodSync, lstatSync, mkdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LegaloneError } from "./errors.ts";

// Folders that this program trusts: what stands in them is believed, so nobody else may have made or may fill them.

/**
 * Makes a folder below one that everybody may write (/tmp, /var/lib), or takes the one that is there, and gives it
 * `mode`, whatever the umask.
 * @throws E_FILE for a link, for something else than a folder, and for one that another user made first
 */
export function ownFolder(path: string, mode: number, owner = process.getuid?.()): void {
  refuseOpenParent(path);
  const found = lstat(path) ?? made(path, mode);
  refuseForeign(path, found, owner);
  if ((found.mode & 0o7777) !== mode) chmodSync(path, mode);
}

/** Refuses to go through a folder that another user made: who waits behind it would be believed. @throws E_FILE */
export function checkOwnFolder(path: string): void {
  const found = lstat(path);
  if (found !== undefined) refuseForeign(path, found, process.getuid?.());
}

function refuseForeign(path: string, found: Stats, owner: number | undefined): void {
  if (!found.isDirectory()) throw refused(path, `is ${kindOf(found)}, expected a folder`, path);
  if (owner !== undefined && found.uid !== owner)
    throw refused(path, `belongs to user ${found.uid}, expected user ${owner}`, path);
}

/**
 * Checks the workspace: a folder (or a link to one) of this user that no other user may write, or a place where one can
 * be made.
 * @throws E_FILE with what was seen
 */
export function checkHome(home: string): void {
  const link = lstat(home);
  const found = statSync(home, { throwIfNoEntry: false });
  if (found === undefined) {
    if (link?.isSymbolicLink())
      throw refused(home, `is a link to ${readlinkSync(home)}, which is not there`, "the workspace");
    if (resolve(home) !== dirname(resolve(home))) checkAbove(dirname(resolve(home)), home);
    return;
  }
  if (!found.isDirectory())
    throw refused(home, `is ${kindOf(found)}, expected the folder of the workspace`, "the workspace");
  const user = process.getuid?.();
  if (user !== undefined && found.uid !== user)
    throw refused(home, `belongs to user ${found.uid}, expected user ${user}`, "the workspace");
  if ((found.mode & 0o002) !== 0)
    throw new LegaloneError(
      "E_FILE",
      `${home} may be written by everybody, expected a workspace that only user ${user} may write`,
      { hint: `chmod o-w ${home}, or name a folder of your own in LEGALONE_HOME.`, fields: { path: home } },
    );
}

/**
 * Makes the workspace where there is none: closed to others, but as root open to pass through, for PostgreSQL's user.
 * @throws E_FILE as checkHome() does; errors of the system for a place where none can be made
 */
export function makeHome(home: string): void {
  checkHome(home);
  if (statSync(home, { throwIfNoEntry: false }) !== undefined) return;
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  makeFolders(dirname(resolve(home)), mode);
  ownFolderOnce(home, mode);
}

/** As `mkdir -p`, with `mode` whatever the umask. Node's own never returns on file systems such as /proc. */
export function makeFolders(path: string, mode: number): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolders(dirname(path), mode);
  ownFolderOnce(path, mode);
}

/** Of two that make it at once the second finds it made. */
function ownFolderOnce(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
    chmodSync(path, mode);
  } catch (error) {
    const there = (error as NodeJS.ErrnoException).code === "EEXIST";
    if (!there || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

function made(path: string, mode: number): Stats {
  ownFolderOnce(path, mode);
  return lstatSync(path);
}

/** Whoever may write the folder above may put another folder in the place of ours, but for a sticky one. */
function refuseOpenParent(path: string): void {
  const above = dirname(path);
  const found = statSync(above, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & 0o002) === 0 || (found.mode & 0o1000) !== 0) return;
  throw new LegaloneError("E_FILE", `${above} may be written by everybody and is not sticky`, {
    hint: `chmod +t ${above}`,
    fields: { path: above },
  });
}

function checkAbove(folder: string, home: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  if (found !== undefined || lstat(folder)?.isSymbolicLink())
    throw refused(
      home,
      `cannot be made: ${folder} is ${found ? kindOf(found) : "a link to nothing"}`,
      "the workspace",
    );
  if (dirname(folder) !== folder) checkAbove(dirname(folder), home);
}

function refused(path: string, seen: string, what: string): LegaloneError {
  const hint =
    what === "the workspace"
      ? "LEGALONE_HOME names the workspace: a folder of this user, or one that can be made."
      : "Remove it, or ask its owner to; XDG_RUNTIME_DIR and LEGALONE_SERVICE_FOLDER name other places.";
  return new LegaloneError("E_FILE", `${path} ${seen}`, { hint, fields: { path } });
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return "a link";
  if (found.isFile()) return "a file";
  if (found.isFIFO()) return "a pipe";
  if (found.isSocket()) return "a socket";
  return found.isDirectory() ? "a folder" : "a device";
}

function lstat(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
