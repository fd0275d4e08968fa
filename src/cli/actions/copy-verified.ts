import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, parse, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { openFile } from "../../core/whole-file.ts";
import { syncFile, syncFolder } from "../../dispatch/transfer/durable.ts";
import {
  contentHash,
  type Manifest,
  type ManifestFile,
  parseManifest,
  Refused,
} from "../../dispatch/transfer/manifest.ts";

/**
 * The folder that `--to` names, as far as any may be made there; for another option `what` it makes.
 * @throws E_USAGE for nothing, and for a folder that holds more than a model could replace: this one, the home, the
 * workspace, or one above them
 */
export function exportTarget(to: string, option = "--to", what = "model"): string {
  if (to.trim() === "") {
    throw new LegaloneError("E_USAGE", `${option} names no folder`, {
      hint: `${option} ./${what} makes one beside your files.`,
    });
  }
  const path = real(resolve(to));
  const held = [process.cwd(), homedir(), workspace()].map(real);
  const inside = held.find((one) => one === path || one.startsWith(path.endsWith(sep) ? path : path + sep));
  if (path === parse(path).root || inside !== undefined) {
    throw new LegaloneError(
      "E_USAGE",
      `${option} ${to} is ${path}, which holds more than one ${what}: ${inside ?? "everything"}`,
      {
        hint: `Name a folder of its own, such as ${option} ./${what}.`,
      },
    );
  }
  return path;
}

/**
 * Copies an artifact folder to `to`, hashing what it reads. The new folder appears whole or not at all. Of what exists
 * only an empty folder is taken, and with `force` one that an export made and nobody has added to since.
 * @throws E_CONFLICT when `to` is in use, E_NOT_FOUND when the artifact or a file of it is gone or altered
 */
export async function copyVerified(
  from: string,
  to: string,
  { sha256: expected, force }: { sha256: string; force: boolean },
): Promise<{ files: number; bytes: number }> {
  const manifest = await readCommitted(from, expected);
  refuseTaken(to, force);
  await mkdir(dirname(to), { recursive: true });
  const staging = await mkdtemp(join(dirname(to), `.${basename(to)}-`));
  try {
    for (const file of manifest.files) await copyFile(from, staging, file);
    await writeFile(join(staging, "manifest.json"), manifest.raw);
    for (const { path } of [...manifest.files, { path: "manifest.json" }])
      await syncFile(join(staging, path));
    syncFolder(staging);
    // It took a while: somebody may have put something there.
    refuseTaken(to, force);
    await replace(to, staging);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return { files: manifest.files.length, bytes: manifest.files.reduce((sum, file) => sum + file.size, 0) };
}

/** @throws E_CONFLICT with what would be lost */
function refuseTaken(to: string, force: boolean): void {
  const seen = lstatSync(to, { throwIfNoEntry: false });
  if (seen === undefined) return;
  if (!seen.isDirectory())
    throw new LegaloneError("E_CONFLICT", `${to} exists and is no folder.`, {
      hint: "Name another with --to.",
    });
  if (readdirSync(to).length === 0) return;
  const more = moreThanDelivered(to);
  if (more !== undefined) {
    throw new LegaloneError(
      "E_CONFLICT",
      `${to} exists and is not only a model that was exported: ${more}.`,
      {
        hint: "Name another folder with --to; --force replaces only what an export made.",
      },
    );
  }
  if (force) return;
  throw new LegaloneError("E_CONFLICT", `${to} exists and is not empty.`, {
    hint: "--force replaces this exported model; or name another folder with --to.",
  });
}

/** What a folder holds beside the files of a delivery, or why it is none; undefined when nothing would be lost. */
function moreThanDelivered(folder: string): string | undefined {
  const path = join(folder, "manifest.json");
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return "it has no manifest.json";
  let files: ManifestFile[];
  try {
    const raw = readFileSync(path);
    if ((JSON.parse(raw.toString("utf8")) as { kind?: unknown }).kind !== "delivery")
      return "its manifest.json is not that of a delivery";
    files = parseManifest(raw).files;
  } catch (error) {
    return `its manifest.json cannot be read: ${(error as Error).message}`;
  }
  const named = new Set(["manifest.json", ...files.map((file) => file.path)]);
  const folders = new Set([...named].flatMap(foldersAbove));
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name).slice(folder.length + 1);
    const known = entry.isDirectory() ? folders.has(name) : entry.isFile() && named.has(name);
    if (!known) return `its manifest does not list ${name}`;
  }
  return undefined;
}

function foldersAbove(path: string): string[] {
  const above = dirname(path);
  return above === "." ? [] : [above, ...foldersAbove(above)];
}

/**
 * The new folder takes the place of what is there. Between the two renames nothing is there, so a process of its own
 * does them: it goes on when this one is killed.
 */
async function replace(to: string, staging: string): Promise<void> {
  if (existsSync(to) && readdirSync(to).length > 0) {
    const old = `${staging}.old`;
    const swap = 'trap "" HUP INT TERM; mv "$1" "$2" && { mv "$3" "$1" || { mv "$2" "$1"; exit 1; }; }';
    const swapping = spawn("sh", ["-c", swap, "sh", to, old, staging], { stdio: "ignore", detached: true });
    const [code] = (await once(swapping, "close")) as [number | null];
    if (code !== 0)
      throw new LegaloneError("E_CONFLICT", `${to} could not be replaced.`, {
        hint: "Name another with --to.",
      });
    await rm(old, { recursive: true, force: true });
  } else await rename(staging, to);
  syncFolder(dirname(to));
}

/** Links followed as far as the path exists. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === dirname(path) ? path : join(real(dirname(path)), basename(path));
  }
}

async function readCommitted(folder: string, expected: string): Promise<Manifest> {
  const path = join(folder, "manifest.json");
  const raw = await readFile(path).catch((cause: unknown) => {
    throw new LegaloneError("E_NOT_FOUND", `${path} cannot be read: the artifact has been removed.`, {
      hint: "legalone resume makes its stage again",
      cause,
    });
  });
  let manifest: Manifest;
  try {
    manifest = parseManifest(raw);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw altered(path, expected, error.message);
  }
  const content = contentHash(manifest.files);
  if (content !== expected) throw altered(path, expected, content);
  return manifest;
}

async function copyFile(from: string, to: string, file: ManifestFile): Promise<void> {
  const target = join(to, file.path);
  await mkdir(dirname(target), { recursive: true });
  const digest = createHash("sha256");
  const source = createReadStream("", { fd: openFile(join(from, file.path)) });
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
    { hint: "legalone verify tells what else is damaged, and what makes it again." },
  );
}
