import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { sha256 } from "../../core/hash.ts";
import { isHash } from "../../core/places.ts";

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

/** Reads manifest.json of a folder. @throws Refused when it cannot be had or is not of the form; EMFILE, … as they come */
export function readManifest(folder: string): Manifest {
  let raw: Buffer;
  try {
    raw = readFileSync(join(folder, "manifest.json"));
  } catch (error) {
    // A lack of this process says nothing about the manifest, and passes.
    if (["EMFILE", "ENFILE", "ENOMEM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    throw new Refused(`${basename(folder)}/manifest.json: ${(error as Error).message}`, { cause: error });
  }
  return parseManifest(raw, `${basename(folder)}/manifest.json`);
}

/** @throws Refused when it is no list of files inside one folder */
export function parseManifest(raw: Buffer, what = "manifest.json"): Manifest {
  let files: unknown;
  try {
    ({ files } = JSON.parse(raw.toString("utf8")) as { files: unknown });
  } catch (error) {
    throw new Refused(`${what}: ${(error as Error).message}`);
  }
  if (!Array.isArray(files)) throw new Refused(`${what}: no list of files`);
  const seen = new Set<string>();
  for (const file of files as Partial<ManifestFile>[]) {
    const { path, size, sha256: hash } = file ?? {};
    if (typeof path !== "string" || !Number.isSafeInteger(size) || size! < 0 || !isHash(hash))
      throw new Refused(`${what}: ${JSON.stringify(file)?.slice(0, 200)} names no path, size and sha256`);
    if (!isInside(path) || seen.has(path))
      throw new Refused(`${what}: ${JSON.stringify(path)} is no file of its own in the folder`);
    seen.add(path);
  }
  return { raw, files: files as ManifestFile[] };
}

/** SHA-256 over the sorted lines `<path> <size> <sha256>\n`: the hash of an output. */
export function contentHash(files: readonly ManifestFile[]): string {
  const lines = files.map((file) => `${file.path} ${file.size} ${file.sha256}\n`);
  // By bytes, as Python sorts text.
  lines.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return sha256(lines.join(""));
}

/** Whether this hash names the folder of the manifest: an output by its content, a checkpoint by its manifest. */
export function isNamedBy(manifest: Manifest, hash: string): boolean {
  return contentHash(manifest.files) === hash || sha256(manifest.raw) === hash;
}

/** No absolute path, no `..`, no empty part, and not the manifest itself. */
function isInside(path: string): boolean {
  const parts = path.split("/");
  return (
    path !== "manifest.json" &&
    !path.includes("\0") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..")
  );
}
