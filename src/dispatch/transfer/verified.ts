import { createHash } from "node:crypto";
import { chmodSync, createReadStream, lstatSync } from "node:fs";
import { join } from "node:path";
import { inFolder, readNoteIn } from "../../core/own-folder.ts";
import { isHash, linkBelow, type Place } from "../../core/places.ts";
import { openFile, replaceWhole } from "../../core/whole-file.ts";
import { isNamedBy, type Manifest, type ManifestFile, Refused, readManifest } from "./manifest.ts";

/** What is not as it was committed; `file` is a path in the folder. */
export interface Damage {
  file: string;
  what: string;
}

export interface Checking {
  /** Hash every file, also those that were found sound in their present state. */
  anew?: boolean;
  /** Told after every piece that was hashed or did not need to be. */
  progress?(bytes: number): void;
  signal?: AbortSignal;
}

/**
 * Whether a committed folder of the workspace `home` is what was committed: sizes always, hashes once for each state of a
 * file (inode, size, times), which is noted in the workspace. An empty answer means yes.
 * @throws what the disk says: an error of the machine is no damage
 */
export async function damageOf(
  home: string,
  place: Place,
  sha256: string,
  checking: Checking = {},
): Promise<Damage[]> {
  const way =
    "sha256" in place ? ["artifacts", place.sha256] : ["attempts", place.attempt, `step-${place.step}`];
  const folder = join(home, ...way);
  if (linkBelow(home, folder) !== undefined)
    return [{ file: "", what: "a link stands where its folder should be" }];
  let manifest: Manifest;
  try {
    manifest = readManifest(folder);
  } catch (error) {
    const code =
      error instanceof Refused ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
    if (
      error instanceof Refused &&
      (code === undefined || ["ENOENT", "ENOTDIR", "EISDIR", "EFBIG"].includes(code))
    )
      return [{ file: "manifest.json", what: error.message }];
    throw error;
  }
  if (!isNamedBy(manifest, sha256))
    return [{ file: "manifest.json", what: "it is not the one that was committed" }];
  const known = checking.anew ? {} : notesOf(home, sha256);
  const damage: Damage[] = [];
  let fresh = false;
  for (const file of manifest.files) {
    const found = sizeDamage(folder, file);
    if (found !== undefined) damage.push(found);
    else if (known[file.path] !== stateOf(join(folder, file.path))) {
      fresh = true;
      const wrong = await hashDamage(folder, file, checking);
      if (wrong !== undefined) damage.push(wrong);
    } else checking.progress?.(file.size);
  }
  if (fresh && damage.length === 0) remember(home, sha256, folder, manifest.files);
  return damage;
}

/**
 * The files of a folder that has just been committed can no longer be written to, and the state they are in counts as
 * verified: whoever made them hashed every byte.
 */
export function seal(home: string, sha256: string, folder: string, files: readonly ManifestFile[]): void {
  for (const { path } of [...files, { path: "manifest.json" }]) {
    try {
      chmodSync(join(folder, path), lstatSync(join(folder, path)).mode & 0o555);
    } catch (error) {
      // A worker of another user made it, or the file system has no such bits.
      if (!["EPERM", "EACCES", "EROFS", "ENOTSUP"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
    }
  }
  remember(home, sha256, folder, files);
}

/** Whether every file is in the state that was verified. */
export function isVerified(
  home: string,
  sha256: string,
  folder: string,
  files: readonly ManifestFile[],
): boolean {
  const known = notesOf(home, sha256);
  return files.every(
    (file) => sizeDamage(folder, file) === undefined && known[file.path] === stateOf(join(folder, file.path)),
  );
}

function remember(home: string, sha256: string, folder: string, files: readonly ManifestFile[]): void {
  if (!isHash(sha256)) throw new RangeError("no hash");
  const states = Object.fromEntries(files.map(({ path }) => [path, stateOf(join(folder, path))]));
  try {
    inFolder(home, notes, (folder) => replaceWhole(join(folder, sha256), JSON.stringify(states)), {
      make: true,
    });
  } catch {
    // It is only hashed again: a full or read-only disk keeps nobody from work.
  }
}

function notesOf(home: string, sha256: string): Record<string, string> {
  if (!isHash(sha256)) throw new RangeError("no hash");
  return readNoteIn<Record<string, string>>(home, notes, sha256) ?? {};
}

const notes = ["artifacts", ".verified"];

/** Changes whenever the bytes may have. */
function stateOf(path: string): string {
  const { ino, size, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(" ");
}

function sizeDamage(folder: string, { path, size }: ManifestFile): Damage | undefined {
  const whole = join(folder, path);
  if (linkBelow(folder, whole) !== undefined) return { file: path, what: "a link stands in its place" };
  const seen = lstatSync(whole, { throwIfNoEntry: false });
  if (seen === undefined) return { file: path, what: "it is not there" };
  if (!seen.isFile()) return { file: path, what: "it is no file" };
  return seen.size === size
    ? undefined
    : { file: path, what: `it has ${seen.size} bytes, its manifest says ${size}` };
}

async function hashDamage(
  folder: string,
  { path, sha256 }: ManifestFile,
  { progress, signal }: Checking,
): Promise<Damage | undefined> {
  const hash = createHash("sha256");
  // What stands there by now need not be what was looked at: a pipe would keep this process waiting.
  const fd = openFile(join(folder, path));
  for await (const chunk of createReadStream("", {
    fd,
    highWaterMark: 1 << 20,
    ...(signal ? { signal } : {}),
  })) {
    hash.update(chunk as Buffer);
    progress?.((chunk as Buffer).length);
  }
  return hash.digest("hex") === sha256
    ? undefined
    : { file: path, what: "its bytes are not those that were committed" };
}
