import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../core/errors.ts";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { placeOf } from "../core/places.ts";
import type { Dump } from "../records/dump.ts";

/** Kind and form of the folder; another form has another number. */
const kind = "legalone-backup";
const format = 1;

/** `manifest.json` of a backup. It is written last: a folder without it is no backup. */
export interface BackupManifest {
  kind: typeof kind;
  format: typeof format;
  madeAt: string;
  /** Version of the program, and the newest migration of the records in `dump`. */
  version: string;
  dump: Dump;
  /** Without it the bytes of outputs and checkpoints are not in it. */
  artifacts: boolean;
  files: BackupFile[];
  /** What the records name and the workspace did not have. */
  missing: string[];
}

export interface BackupFile {
  path: string;
  size: number;
  sha256: string;
  mode: number;
}

export async function writeManifest(folder: string, manifest: Omit<BackupManifest, "kind" | "format">) {
  const content = { kind, format, ...manifest };
  const text = JSON.stringify({ ...content, sha256: sha256(canonicalJson(content)) }, null, 1);
  await writeFile(join(folder, "manifest.json"), `${text}\n`);
}

/** @throws E_BACKUP when the folder is no whole backup, or one of a form that this version does not know */
export async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, "manifest.json");
  let told: BackupManifest & { sha256: string };
  try {
    told = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw noBackup(folder);
    if (code !== undefined) throw cause;
    throw broken(`${path} is no JSON`, cause);
  }
  const { sha256: expected, ...content } = told;
  if (content.kind !== kind) throw broken(`${path} is not the manifest of a backup`);
  if (content.format !== format)
    throw new LegaloneError(
      "E_BACKUP",
      `${folder} has form ${content.format}, this version reads ${format}`,
      {
        hint: `It was written by legalone ${content.version}: use that version or a newer one.`,
      },
    );
  if (sha256(canonicalJson(content)) !== expected) throw broken(`${path} was altered`);
  const strange = content.files.find(({ path: file }) => !isOfBackup(file));
  if (strange !== undefined)
    throw broken(`${path} names ${strange.path}, which lies outside or is none that a backup holds`);
  const known = new Set(content.files.map(({ path: file }) => file));
  const absent = content.dump.tables.find(({ file }) => !known.has(file));
  if (absent !== undefined) throw broken(`${path} does not list the rows of ${absent.name}`);
  return content;
}

/**
 * A backup holds rows, and files of artifacts and checkpoints. Notes of a workspace (where its database lies, which processes
 * are its own) are believed by whoever finds them there, so none comes with a backup.
 */
function isOfBackup(file: string): boolean {
  const parts = file.split("/");
  if (isAbsolute(file) || parts.some((part) => ["", ".", ".."].includes(part))) return false;
  if (parts[0] === "records") return parts.length === 2;
  const isPlace = (length: number) =>
    parts.length > length && placeOf(`legalone://${parts.slice(0, length).join("/")}`) !== undefined;
  return isPlace(2) || isPlace(3);
}

/** A place that was named by mistake: no backup was ever written there. */
function noBackup(folder: string): LegaloneError {
  const found = statSync(folder, { throwIfNoEntry: false });
  const seen =
    found === undefined ? "is not there" : found.isDirectory() ? "has no manifest.json" : "is no folder";
  return new LegaloneError("E_BACKUP", `${folder} is no backup: it ${seen}`, {
    hint: "Name a folder that `legalone backup FOLDER` made.",
    fields: { path: folder },
  });
}

/** What a file is now. */
export async function hashFile(
  folder: string,
  path: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<BackupFile> {
  const full = join(folder, path);
  const { mode } = await stat(full);
  const digest = createHash("sha256");
  let size = 0;
  for await (const block of createReadStream(full, { highWaterMark: 1 << 20 })) {
    digest.update(block);
    size += block.length;
    onBytes(block.length);
  }
  return { path, size, sha256: digest.digest("hex"), mode: mode & 0o777 };
}

/** Reads every file and compares it with the manifest. @throws E_BACKUP naming the first that differs */
export async function verifyBackup(
  folder: string,
  { files }: Pick<BackupManifest, "files">,
  onBytes: (bytes: number) => void,
): Promise<void> {
  for (const file of files) {
    const found = await hashFile(folder, file.path, onBytes).catch((cause: Error) => {
      throw broken(`${file.path} cannot be read: ${cause.message}`, cause);
    });
    if (found.size !== file.size || found.sha256 !== file.sha256)
      throw broken(`${file.path} is not what was written`);
  }
}

/** Copies one file, with its mode, and hashes what it reads. The copy is on disk when this returns. */
export async function copyHashed(
  from: string,
  to: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<Omit<BackupFile, "path">> {
  await mkdir(dirname(to), { recursive: true });
  const { mode } = await stat(from);
  const digest = createHash("sha256");
  let size = 0;
  const out = await open(to, "wx", 0o600);
  try {
    for await (const block of createReadStream(from, { highWaterMark: 1 << 20 })) {
      digest.update(block);
      size += block.length;
      await out.writeFile(block);
      onBytes(block.length);
    }
    await out.chmod(mode & 0o777);
    await out.sync();
  } finally {
    await out.close();
  }
  return { size, sha256: digest.digest("hex"), mode: mode & 0o777 };
}

/** Paths of the plain files below a folder, relative to it. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort();
}

/** Removes everything in a folder but what is named. A program that a killed restore left may still write there. */
export async function emptyFolder(folder: string, but: readonly string[] = []): Promise<void> {
  for (let tries = 100; ; tries--) {
    const names = (await readdir(folder)).filter((name) => !but.includes(name));
    if (names.length === 0) return;
    const removed = names.map((name) => rm(join(folder, name), { recursive: true, force: true }));
    const failed = (await Promise.allSettled(removed)).find((end) => end.status === "rejected");
    if (failed !== undefined && (failed.reason.code !== "ENOTEMPTY" || tries === 0)) throw failed.reason;
    await sleep(50);
  }
}

export function broken(what: string, cause?: unknown): LegaloneError {
  return new LegaloneError("E_BACKUP", `the backup is not whole: ${what}`, {
    hint: "Take another backup; nothing was restored.",
    cause,
  });
}
