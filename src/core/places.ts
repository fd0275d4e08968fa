import { lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { inFolder, isNoWay } from "./own-folder.ts";
import { dataFolder, modelsFolder, realPath } from "./paths.ts";

/**
 * Where the bytes of an artifact lie, relative to the workspace of who holds them: the only addresses of rows and of what
 * agents and serve say to each other. A worker gets the file:// address of its own machine.
 */
export type Place = { sha256: string } | { attempt: string; step: number };

const hashForm = /^[0-9a-f]{64}$/;
/** Ids of attempts name folders. */
const attemptForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
const artifactForm = /^legalone:\/\/artifacts\/([0-9a-f]{64})$/;
const stepForm = /^legalone:\/\/attempts\/([A-Za-z0-9][A-Za-z0-9._-]{0,199})\/step-(0|[1-9]\d{0,15})$/;

export function isHash(value: unknown): value is string {
  return typeof value === "string" && hashForm.test(value);
}

export function isAttemptId(value: unknown): value is string {
  return typeof value === "string" && attemptForm.test(value);
}

/** `legalone://artifacts/<sha256>`. For an output the hash is that of its content, for a checkpoint that of its manifest. */
export function artifactUri(sha256: string): string {
  return checkedUri(`legalone://artifacts/${sha256}`);
}

/** `legalone://attempts/<attempt>/step-<n>`: a checkpoint where its worker made it. */
export function checkpointUri(attempt: string, step: number): string {
  return checkedUri(`legalone://attempts/${attempt}/step-${step}`);
}

/** Addresses of builds that had the workspace's path in its rows, as rows name the place now. Others as they are. */
export function currentUri(uri: string): string {
  const way = /^file:\/\/\/.*\/(artifacts\/[^/]+|attempts\/[^/]+\/step-[^/]+)$/.exec(uri)?.[1];
  return way !== undefined && placeOf(`legalone://${way}`) ? `legalone://${way}` : uri;
}

/** What an address names; undefined for everything that is of neither form. */
export function placeOf(uri: unknown): Place | undefined {
  if (typeof uri !== "string") return undefined;
  const sha256 = artifactForm.exec(uri)?.[1];
  if (sha256 !== undefined) return { sha256 };
  const [, attempt, step] = stepForm.exec(uri) ?? [];
  return attempt === undefined ? undefined : { attempt, step: Number(step) };
}

/** The hash that an address of the store names. */
export function storedHash(uri: unknown): string | undefined {
  const place = placeOf(uri);
  return place && "sha256" in place ? place.sha256 : undefined;
}

/** Folder in the workspace `home` of what an address names; undefined for an address of another form. */
export function placePath(home: string, uri: unknown): string | undefined {
  const place = placeOf(uri);
  if (place === undefined) return undefined;
  if ("sha256" in place) return join(home, "artifacts", place.sha256);
  return join(home, "attempts", place.attempt, `step-${place.step}`);
}

/**
 * Whether what an address names is in the workspace `home`: "missing" only when the system says that there is no such
 * entry, in a workspace that can be read and has a store. An error of the disk, a folder that may not be read, a mount
 * that is away say nothing about what was committed.
 */
export function lookFor(home: string, uri: string): "there" | "missing" | "unknown" {
  const path = placePath(home, uri);
  if (path === undefined) return "unknown";
  try {
    return lstatSync(path).isDirectory() ? "there" : "unknown";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") return "unknown";
    return hasStore(home, path) ? "missing" : "unknown";
  }
}

/** The workspace's name can be read, and the store on the way to `path` is there with something in it. */
function hasStore(home: string, path: string): boolean {
  try {
    const named = ["workspace.json", "workspace.id"].some((name) => isFilled(join(home, name)));
    const [store] = relative(home, path).split(sep) as [string];
    return named && readdirSync(join(home, store)).length > 0;
  } catch {
    return false;
  }
}

/** @throws whatever keeps it from being read, but for its absence */
function isFilled(path: string): boolean {
  try {
    return readFileSync(path, "utf8").trim() !== "";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** The address in the workspace `home`, as workers and people use it; one of another form as it is. */
export function fileUri(home: string, uri: string): string {
  const path = placePath(home, uri);
  return path === undefined ? uri : pathToFileURL(path).href;
}

/**
 * Whether a path, or what its links lead to, opens what is not for workers: `/`, the workspace or a folder above it, and
 * whatever lies in it but for committed artifacts, data and models. stages/_worker/locations.py does the same.
 */
export function isPrivate(given: string, home: string): boolean {
  const root = realPath(home);
  const folders = [dataFolder(), modelsFolder(), join(root, "data"), join(root, "models")].map(realPath);
  const open = folders.filter((folder) => !isWithin(root, folder));
  return [resolve(given), realPath(given)].some((path) => {
    if (isWithin(root, path)) return true;
    if (!isWithin(path, root)) return false;
    return !open.some((folder) => isWithin(path, folder)) && !isPlaceForm(relative(root, path));
  });
}

/**
 * Whether a job may have it as an input: a committed artifact of the workspace, or something below the folders of models and
 * of data, and never what is private. Links below models and data are their owner's; what a worker left is none.
 */
export function mayBeInput(given: string, home: string): boolean {
  const path = resolve(given);
  if (isPrivate(path, home)) return false;
  if ([modelsFolder(), dataFolder()].some((folder) => path !== folder && isWithin(path, folder))) return true;
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isPlaceForm(relative(resolve(home), path)) && !isLink;
}

function isPlaceForm(way: string): boolean {
  return placeOf(`legalone://${way}`) !== undefined;
}

/** Whether a path is a folder or lies below it. */
function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/**
 * Notes that an attempt is about to name an artifact, before anybody looks whether it is there: whoever removes folders
 * moves one away first, then looks for notes. So either the attempt sees that it is gone, or the folder is put back.
 */
export function claimPlace(home: string, sha256: string, attempt: string): void {
  if (!isHash(sha256) || !isAttemptId(attempt)) throw new RangeError("no hash or no attempt");
  inFolder(
    home,
    claims,
    (folder) => {
      const note = join(folder, `${sha256}.${attempt}`);
      if (lstatSync(note, { throwIfNoEntry: false }) === undefined) writeFileSync(note, "", { flag: "wx" });
    },
    { make: true },
  );
}

/** Attempts that have noted the artifact. */
export function claimsOf(home: string, sha256: string): string[] {
  const begin = `${sha256}.`;
  return claimNames(home)
    .filter((name) => name.startsWith(begin))
    .map((name) => name.slice(begin.length));
}

/** All attempts with a note. */
export function claimingAttempts(home: string): string[] {
  return [...new Set(claimNames(home).map((name) => name.slice(65)))];
}

/** The notes of an attempt go: it has ended, and rows name what it made. */
export function releaseClaims(home: string, attempt: string): void {
  const own = claimNames(home).filter((name) => name.slice(65) === attempt);
  if (own.length === 0) return;
  inFolder(home, claims, (folder) => {
    for (const name of own) rmSync(join(folder, name), { force: true });
  });
}

const claims = ["artifacts", ".claims"];

function claimNames(home: string): string[] {
  try {
    const names = inFolder(home, claims, (folder) => readdirSync(folder));
    return names.filter((name) => isHash(name.slice(0, 64)) && isAttemptId(name.slice(65)));
  } catch (error) {
    if (isNoWay(error)) return [];
    throw error;
  }
}

/** The first link on the way from `root` (itself not asked) to `path` below it; undefined where there is none. */
export function linkBelow(root: string, path: string): string | undefined {
  let at = root;
  for (const part of relative(root, path).split(sep)) {
    at = join(at, part);
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) return at;
  }
  return undefined;
}

function checkedUri(uri: string): string {
  if (placeOf(uri) !== undefined) return uri;
  throw new RangeError(`no place of a workspace: ${JSON.stringify(uri.slice(0, 200))}`);
}
