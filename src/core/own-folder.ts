import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { LegaloneError } from "./errors.ts";
import { packageRoot, realPath } from "./paths.ts";
import { readWholeFile } from "./whole-file.ts";

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
  refuseAbove(home);
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
    throw new LegaloneError("E_FILE", `${home} belongs to user ${found.uid}, expected user ${user}`, {
      hint: `Give the command as user ${found.uid}, or give the folder away whole: \`legalone down --workers\`, then chown -R ${user} ${home}. LEGALONE_HOME names the workspace.`,
      fields: { path: home },
    });
  if ((found.mode & 0o002) !== 0)
    throw new LegaloneError(
      "E_FILE",
      `${home} may be written by everybody, expected a workspace that only user ${user} may write`,
      { hint: `chmod o-w ${home}, or name a folder of your own in LEGALONE_HOME.`, fields: { path: home } },
    );
  for (const path of ["artifacts", "attempts"].map((name) => join(home, name))) refuseLinkedStore(path);
}

/** Nothing is written or removed through a link, and so nothing could be committed. */
function refuseLinkedStore(path: string): void {
  if (lstat(path)?.isSymbolicLink() !== true) return;
  throw new LegaloneError(
    "E_FILE",
    `${path} is a link to ${readlinkSync(path)}, expected a folder of its own`,
    {
      hint: "Move the workspace whole to the other disk and name it in LEGALONE_HOME, or mount that disk here.",
      fields: { path },
    },
  );
}

/** A workspace is a folder for itself: in one that holds the machine, homes or this program, whatever it removes and closes would be theirs too. */
function refuseAbove(home: string): void {
  const within = (inner: string | undefined) => inner !== undefined && realPath(inner).startsWith(`${home}/`);
  const holds = [packageRoot, ownHome()].find(within) ?? (home === packageRoot ? "this program" : undefined);
  if (holds === undefined && dirname(home) !== home) return;
  throw new LegaloneError(
    "E_FILE",
    `${home} holds ${holds ?? "this machine"}, expected a folder for the workspace alone`,
    {
      hint: "Name a folder that is not there yet in LEGALONE_HOME.",
      fields: { path: home },
    },
  );
}

/** A user of a container may have none. */
function ownHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
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

/** Where the system has it, an open folder is a path that stays that folder whatever its name leads to by then. */
const descriptors = "/proc/self/fd";
const areSteady = process.platform === "linux" && existsSync(descriptors);

/**
 * Works in the folder `way` below `root`: how agent and serve write, link, rename and remove where workers may have put
 * something. Each folder on the way is one of its own, never a link to one; `work` gets a path that leads there and nowhere
 * else, even when somebody renames it meanwhile (on Linux; elsewhere it was so a moment before).
 * @param make makes the folders that are not there
 * @throws ENOTDIR where something else than a folder stands; ENOENT, EACCES, … as they come
 */
export function inFolder<T>(
  root: string,
  way: readonly string[],
  work: (folder: string) => T,
  { make = false } = {},
): T {
  let real = root;
  let at = root;
  let descriptor: number | undefined;
  try {
    for (const name of way) {
      const next = join(at, name);
      real = join(real, name);
      if (make) madeOnce(next);
      const opened = openFolder(next, real);
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = opened;
      at = areSteady ? `${descriptors}/${opened}` : real;
    }
    return work(at);
  } catch (error) {
    throw at === real ? error : named(error, at, real);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Whether a folder of its own, no link to one, is at the end of the way. @throws EIO, EMFILE, … which say nothing about it */
export function isInFolder(root: string, way: readonly string[]): boolean {
  try {
    return inFolder(root, way, () => true);
  } catch (error) {
    if (isNoWay(error)) return false;
    throw error;
  }
}

/** Notes of an attempt name its inputs, and those of a join can be tens of thousands. */
const longestNote = 256 * 1024 * 1024;

/**
 * A note in such a folder, as JSON. Undefined where it is absent or half-written, where something else than a file stands in
 * its place, and where it holds no object.
 */
export function readNoteIn<T extends object>(
  root: string,
  way: readonly string[],
  name: string,
): T | undefined {
  try {
    const bytes = inFolder(root, way, (folder) => readWholeFile(join(folder, name), longestNote));
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an error says that there is no such folder, or that something else stands in its place. */
export function isNoWay(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function openFolder(path: string, real: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
    const found = lstat(path);
    const seen = found === undefined || found.isDirectory() ? "is no folder" : `is ${kindOf(found)}`;
    throw Object.assign(new Error(`${real} ${seen}, expected a folder of its own`), { code: "ENOTDIR" });
  }
}

function madeOnce(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** An error of the system by the name that people know. */
function named(error: unknown, at: string, real: string): unknown {
  if (error instanceof Error && error.message.includes(at))
    error.message = error.message.replaceAll(at, real);
  return error;
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
