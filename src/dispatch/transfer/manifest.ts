import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { sha256 } from "../../core/hash.ts";
import { isHash } from "../../core/places.ts";
import { readWholeFile } from "../../core/whole-file.ts";

export interface ManifestFile {
  path: string;
  size: number;
  sha256: string;
}

/** What was made is not what was announced. Trying again changes nothing. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export interface Manifest {
  /** The bytes of manifest.json. */
  raw: Buffer;
  files: ManifestFile[];
}

/** A manifest names a file in about 150 bytes. */
export const longestManifest = 8 * 1024 * 1024;
const mostFiles = 50_000;
/** A file system holds no longer name, and no sum of sizes may leave the whole numbers. */
const longestPart = 255;
const longestPath = 1024;
const largestFile = 2 ** 48;

/** Reads manifest.json of a folder. @throws Refused when it cannot be had or is not of the form; EMFILE, … as they come */
export function readManifest(folder: string): Manifest {
  return parseManifest(readRaw(folder), `${basename(folder)}/manifest.json`);
}

/** The same for a process that has others to serve meanwhile. */
export async function readManifestInSlices(folder: string): Promise<Manifest> {
  return inSlices(parsing(readRaw(folder), `${basename(folder)}/manifest.json`));
}

/** The bytes of manifest.json, which a worker wrote. @throws as readManifest() */
export function readRaw(folder: string): Buffer {
  try {
    return readWholeFile(join(folder, "manifest.json"), longestManifest);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

function unreadable(folder: string, error: unknown): unknown {
  // A lack of this process says nothing about the manifest, and passes.
  if (["EMFILE", "ENFILE", "ENOMEM"].includes((error as NodeJS.ErrnoException).code ?? "")) return error;
  return new Refused(`${basename(folder)}/manifest.json: ${(error as Error).message}`, { cause: error });
}

/** @throws Refused when it is no list of files inside one folder */
export function parseManifest(raw: Buffer, what = "manifest.json"): Manifest {
  return atOnce(parsing(raw, what));
}

/** Parses a manifest bit by bit: it may name tens of thousands of files. @throws Refused */
export function* parsing(raw: Buffer, what = "manifest.json"): Slices<Manifest> {
  if (raw.length > longestManifest)
    throw new Refused(`${what}: ${raw.length} bytes, at most ${longestManifest} are taken`);
  let files: unknown;
  try {
    ({ files } = JSON.parse(raw.toString("utf8")) as { files: unknown });
  } catch (error) {
    throw new Refused(`${what}: ${(error as Error).message}`);
  }
  if (!Array.isArray(files)) throw new Refused(`${what}: no list of files`);
  if (files.length > mostFiles) throw new Refused(`${what}: ${files.length} files, at most ${mostFiles}`);
  yield;
  const seen = new Set<string>();
  const folders = new Set<string>();
  for (const file of files as Partial<ManifestFile>[]) {
    const { path, size, sha256: hash } = file ?? {};
    if (typeof path !== "string" || !isSize(size) || !isHash(hash))
      throw new Refused(`${what}: ${JSON.stringify(file)?.slice(0, 200)} names no path, size and sha256`);
    if (!isInside(path) || seen.has(path)) throw noFile(what, path);
    seen.add(path);
    for (const folder of foldersOf(path)) folders.add(folder);
    yield;
  }
  for (const folder of folders) if (seen.has(folder)) throw noFile(what, folder);
  return { raw, files: files as ManifestFile[] };
}

function noFile(what: string, path: string): Refused {
  return new Refused(`${what}: ${JSON.stringify(path.slice(0, 200))} is no file of its own in the folder`);
}

function isSize(size: unknown): size is number {
  return Number.isSafeInteger(size) && (size as number) >= 0 && (size as number) <= largestFile;
}

/** The folders that a file of a manifest lies in, the nearest first; not the artifact's own. */
export function foldersOf(path: string): string[] {
  const end = path.lastIndexOf("/");
  return end === -1 ? [] : [path.slice(0, end), ...foldersOf(path.slice(0, end))];
}

/** SHA-256 over the sorted lines `<path> <size> <sha256>\n`: the hash of an output. */
export function contentHash(files: readonly ManifestFile[]): string {
  return atOnce(hashing(files));
}

function* hashing(files: readonly ManifestFile[]): Slices<string> {
  const lines = files.map((file) => `${file.path} ${file.size} ${file.sha256}\n`);
  yield;
  // By bytes, as Python sorts text. Code units sort the same unless there are pairs of them.
  if (lines.some((line) => /[\ud800-\udbff]/.test(line)))
    lines.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  else lines.sort();
  const hash = createHash("sha256");
  for (const line of lines) {
    hash.update(line);
    yield;
  }
  return hash.digest("hex");
}

/** Whether this hash names the folder of the manifest: an output by its content, a checkpoint by its manifest. */
export function isNamedBy(manifest: Manifest, hash: string): boolean {
  return atOnce(naming(manifest, hash));
}

export function* naming({ raw, files }: Manifest, hash: string): Slices<boolean> {
  return sha256(raw) === hash || (yield* hashing(files)) === hash;
}

/** Work that can be left and gone on with after every `yield`. */
export type Slices<T> = Generator<void, T>;

export function atOnce<T>(work: Slices<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Does it with a pause for others every few milliseconds. */
export async function inSlices<T>(work: Slices<T>): Promise<T> {
  for (let began = performance.now(); ; ) {
    const step = work.next();
    if (step.done) return step.value;
    if (performance.now() - began < sliceMs) continue;
    await setImmediate();
    began = performance.now();
  }
}

const sliceMs = 10;

/** No absolute path, no `..`, no empty or too long part, nothing a terminal or a file system minds, and not the manifest itself. */
function isInside(path: string): boolean {
  return (
    path !== "manifest.json" &&
    path.length <= longestPath &&
    !/[\p{Cc}\p{Surrogate}]/u.test(path) &&
    path
      .split("/")
      .every((part) => part !== "" && part !== "." && part !== ".." && Buffer.byteLength(part) <= longestPart)
  );
}
