import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { LegaloneError } from "../../core/errors.ts";
import { sha256 } from "../../core/hash.ts";

interface Manifest {
  sha256: string;
  files: { path: string; size: number; sha256: string }[];
}

/**
 * Copies an artifact folder to `to`, hashing what it reads. The new folder appears whole or not at all; an existing one
 * that is not empty is replaced only with `force`.
 * @throws E_CONFLICT when `to` is in use, E_NOT_FOUND when the artifact or a file of it is gone or altered
 */
export async function copyVerified(
  from: string,
  to: string,
  { sha256: expected, force }: { sha256: string; force: boolean },
): Promise<{ files: number; bytes: number }> {
  const manifest = await readManifest(from, expected);
  const taken = await readdir(to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new LegaloneError("E_CONFLICT", `${to} exists and is no folder.`, {
      hint: "Name another with --to.",
    });
  });
  if (taken.length > 0 && !force) {
    throw new LegaloneError("E_CONFLICT", `${to} exists and is not empty.`, {
      hint: "--force replaces it; or name another folder with --to.",
    });
  }
  await mkdir(dirname(to), { recursive: true });
  const staging = await mkdtemp(join(dirname(to), `.${basename(to)}-`));
  try {
    for (const file of manifest.files) await copyFile(from, staging, file);
    await writeFile(join(staging, "manifest.json"), await readFile(join(from, "manifest.json")));
    await rm(to, { recursive: true, force: true });
    await rename(staging, to);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
  return { files: manifest.files.length, bytes: manifest.files.reduce((sum, file) => sum + file.size, 0) };
}

async function readManifest(folder: string, expected: string): Promise<Manifest> {
  const path = join(folder, "manifest.json");
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new LegaloneError("E_NOT_FOUND", `${path} cannot be read: the artifact has been removed.`, {
      hint: "legalone resume makes its stage again",
      cause,
    });
  });
  const manifest = JSON.parse(text) as Manifest;
  const lines = manifest.files.map((file) => `${file.path} ${file.size} ${file.sha256}\n`).sort();
  const content = sha256(lines.join(""));
  if (content !== expected) throw altered(path, expected, content);
  return manifest;
}

async function copyFile(from: string, to: string, file: Manifest["files"][number]): Promise<void> {
  if (isAbsolute(file.path) || normalize(file.path).startsWith(".."))
    throw altered(file.path, "a path inside the folder", file.path);
  const target = join(to, file.path);
  await mkdir(dirname(target), { recursive: true });
  const digest = createHash("sha256");
  const source = createReadStream(join(from, file.path));
  source.on("data", (block) => digest.update(block));
  await pipeline(source, createWriteStream(target)).catch((cause: unknown) => {
    throw new LegaloneError(
      "E_NOT_FOUND",
      `${join(from, file.path)} cannot be copied: ${(cause as Error).message}`,
      { cause },
    );
  });
  const found = digest.digest("hex");
  if (found !== file.sha256) throw altered(join(from, file.path), file.sha256, found);
}

function altered(what: string, expected: string, found: string): LegaloneError {
  return new LegaloneError(
    "E_CONFLICT",
    `${what} was altered after it was committed: expected ${expected}, found ${found}. Nothing was copied.`,
  );
}
