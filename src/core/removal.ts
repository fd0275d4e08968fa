import { randomBytes } from "node:crypto";
import { chmodSync, type Dirent, lstatSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { isAttemptId, isHash, linkBelow, type Place } from "./places.ts";
import { startTime } from "./start-time.ts";

/** All that is ever removed from a workspace: a place, a whole attempt, and what a transfer left of either. */
export type Removable =
  | Place
  | { wholeAttempt: string }
  /** What serve has of an upload: of one artifact, or all of an attempt. */
  | { uploadOf: string; sha256?: string }
  /** What an agent has of an artifact that it fetches. */
  | { fetched: string }
  /** A checkpoint that an agent holds while it sends it. */
  | { heldBy: string; sha256: string };

export interface Removal {
  /** Told of everything that is left where it is, and why. */
  warn(message: string, fields: { path: string; error?: unknown }): void;
  /** Asked once the folder is out of sight: false puts it back. */
  stillFree?(): Promise<boolean>;
}

/** A process on another machine, which cannot be asked, needs its folder aside no longer than this. */
const asideMs = 3_600_000;

/**
 * Removes a folder of the workspace `home`: the only way that artifacts, checkpoints, attempts and parts of transfers go.
 * It knows the shapes of Removable and nothing else: a name that is none of them, a link in the place of a folder or on
 * the way to it, and a file in the place of one are left with a warning, and so is what the system refuses to give. The
 * folder is renamed away first, so that none is ever half there under its own name.
 * @returns bytes freed
 */
export async function removeFrom(home: string, what: Removable, removal: Removal): Promise<number> {
  const way = wayOf(what);
  if (way === undefined) {
    removal.warn("not removed: no folder of a workspace has this name", { path: JSON.stringify(what) });
    return 0;
  }
  const path = join(home, ...way);
  try {
    const link = linkBelow(home, path);
    if (link !== undefined) {
      removal.warn("not removed: a link stands where a folder should be", { path: link });
      return 0;
    }
    const seen = lstatSync(path, { throwIfNoEntry: false });
    if (seen === undefined) return 0;
    if (!seen.isDirectory()) {
      removal.warn("not removed: it is no folder", { path });
      return 0;
    }
    return await removed(path, removal.stillFree);
  } catch (error) {
    removal.warn("not removed", { path, error });
    return 0;
  }
}

/** Takes what is damaged out of its place at once; the next gc removes it. False when nothing of its shape is there. */
export function setAside(home: string, place: Place): boolean {
  const way = wayOf(place);
  if (way === undefined) return false;
  const path = join(home, ...way);
  if (linkBelow(home, path) !== undefined || !lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
    return false;
  renameSync(path, join(dirname(path), asideName(basename(path))));
  return true;
}

/** Whether something is at the place, whatever it is. */
export function isRemovable(home: string, what: Removable): boolean {
  const way = wayOf(what);
  return way !== undefined && lstatSync(join(home, ...way), { throwIfNoEntry: false }) !== undefined;
}

/** Removes what processes that died left in the middle of a removal. @returns bytes freed */
export async function emptyTrash(home: string, { warn }: Removal): Promise<number> {
  let freed = 0;
  for (const path of trashOf(home)) {
    try {
      if (linkBelow(home, path) !== undefined) continue;
      const bytes = bytesBelow(path);
      await removeTree(path);
      freed += bytes;
    } catch (error) {
      warn("not removed", { path, error });
    }
  }
  return freed;
}

function trashOf(home: string): string[] {
  const attempts = entriesOf(join(home, "attempts")).filter((entry) => entry.isDirectory());
  const folders = [["artifacts"], ["attempts"], ...attempts.map(({ name }) => ["attempts", name])];
  const left = folders
    .map((way) => join(home, ...way))
    .flatMap((folder) => entriesOf(folder).map(({ name }) => join(folder, name)))
    .filter((path) => isLeft(basename(path), path));
  // Of builds before this one.
  const former = [join(home, "trash"), join(home, "artifacts", ".removed")];
  return [...left, ...former.flatMap((folder) => entriesOf(folder).map(({ name }) => join(folder, name)))];
}

/** Bytes of everything below, links not followed; 0 where there is nothing. */
export function bytesBelow(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return entriesOf(path).reduce((sum, { name }) => sum + bytesBelow(join(path, name)), 0);
}

/** What is being removed stands beside its old place: the rename needs no room on a full disk, and leaves no disk. */
const aside = ".removed@";

/** Parts of the path below the workspace; undefined when a name is none that this program gives. */
function wayOf(what: Removable): string[] | undefined {
  if ("wholeAttempt" in what) return named(["attempts", what.wholeAttempt], isAttemptId(what.wholeAttempt));
  if ("uploadOf" in what) {
    const { uploadOf, sha256 } = what;
    const all = ["artifacts", ".uploads", uploadOf];
    if (sha256 === undefined) return named(all, isAttemptId(uploadOf));
    return named([...all, sha256], isAttemptId(uploadOf) && isHash(sha256));
  }
  if ("fetched" in what) return named(["artifacts", `.fetch-${what.fetched}`], isHash(what.fetched));
  if ("heldBy" in what) {
    const { heldBy, sha256 } = what;
    return named(["attempts", heldBy, ".uploading", sha256], isAttemptId(heldBy) && isHash(sha256));
  }
  if ("attempt" in what) {
    const { attempt, step } = what;
    const sound = isAttemptId(attempt) && Number.isSafeInteger(step) && step >= 0;
    return named(["attempts", attempt, `step-${step}`], sound);
  }
  return named(["artifacts", what.sha256], isHash(what.sha256));
}

function named(way: string[], sound: boolean): string[] | undefined {
  return sound ? way : undefined;
}

async function removed(path: string, stillFree: Removal["stillFree"]): Promise<number> {
  const away = join(dirname(path), asideName(basename(path)));
  try {
    renameSync(path, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  if (stillFree !== undefined && !(await putBackUnless(stillFree, away, path))) return 0;
  const bytes = bytesBelow(away);
  await removeTree(away);
  return bytes;
}

/** True when it is still free. What is in its place by then is the same content, committed again. */
async function putBackUnless(
  stillFree: () => Promise<boolean>,
  away: string,
  path: string,
): Promise<boolean> {
  let free = false;
  try {
    free = await stillFree();
  } finally {
    if (!free && lstatSync(path, { throwIfNoEntry: false }) === undefined) renameSync(away, path);
  }
  return free;
}

/** Committed folders are read-only: made writable on the way. Links in it go, never what they lead to. */
async function removeTree(path: string): Promise<void> {
  openUp(path);
  await rm(path, { recursive: true, force: true });
}

function openUp(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return;
  if ((stat.mode & 0o700) !== 0o700) chmodSync(path, stat.mode | 0o700);
  for (const entry of entriesOf(path)) if (entry.isDirectory()) openUp(join(path, entry.name));
}

function asideName(name: string): string {
  return `${aside}${hostname()}@${process.pid}@${startOf(process.pid)}@${randomBytes(4).toString("hex")}@${name}`;
}

/** Whether it was moved aside by a process that will not ask for it again. */
function isLeft(name: string, path: string): boolean {
  if (!name.startsWith(aside)) return false;
  const [host, pid, start] = name.slice(aside.length).split("@");
  if (host === hostname()) return startOf(Number(pid)) !== start;
  return Date.now() - (lstatSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0) > asideMs;
}

function startOf(pid: number): string {
  return (startTime(pid) ?? "").replace(/\W/g, "_");
}

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}
