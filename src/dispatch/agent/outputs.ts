import { existsSync, lstatSync, opendirSync, realpathSync, renameSync, symlinkSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { sha256 } from "../../core/hash.ts";
import { inFolder } from "../../core/own-folder.ts";
import { claimPlace, isHash, linkBelow } from "../../core/places.ts";
import { setAside } from "../../core/removal.ts";
import { storable } from "../../core/text.ts";
import { warning } from "../../worker/protocol.ts";
import type { EventLine } from "../api/contract.ts";
import { AttemptFolder } from "../attempt-folder.ts";
import { syncFolder } from "../transfer/durable.ts";
import {
  contentHash,
  foldersOf,
  type ManifestFile,
  Refused,
  readManifest,
  readRaw,
} from "../transfer/manifest.ts";
import { isVerified, seal } from "../transfer/verified.ts";
import { Claims } from "./claims.ts";

/**
 * Brings what a line speaks of to where it stays: outputs go to <artifacts>/<sha256>,
 * checkpoints stay in the attempt's folder and are the agent's from then on. Doing it twice is harmless. An output that
 * is not what the line says is refused: the line becomes a warning, and the stage ends without it.
 */
export function settle(line: EventLine, folder: string, home: string): EventLine {
  if (line.type !== "artifact" && line.type !== "checkpoint") return line;
  const { sha256: named } = line as EventLine & { sha256: string };
  try {
    const from = announcedFolder(line, folder, home);
    if (line.type === "checkpoint") claimed(from, named, folder);
    else commit(from, named, home, basename(folder));
    return line;
  } catch (error) {
    return refusal(line, asRefused(error));
  }
}

/** What a path can be that no file has: too long, round in a circle, through a file. */
const impossible = new Set(["ENAMETOOLONG", "ELOOP", "ENOTDIR", "EISDIR", "EINVAL", "ERR_INVALID_ARG_VALUE"]);

/** An error of the worker's own path as a refusal; trying again would change nothing. @throws the error, of any other kind */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (impossible.has((error as NodeJS.ErrnoException).code ?? ""))
    return new Refused((error as Error).message, { cause: error });
  throw error;
}

/** The warning that stands for a line whose output was refused. */
export function refusal(line: EventLine, error: Refused): EventLine {
  return warning("output_refused", `${line.type} ${String(line.path)}: ${error.message}`);
}

/** Moves an output to its place in the workspace `home`, and returns that. @throws Refused */
export function commit(from: string, named: string, home: string, attempt: string): string {
  if (!isHash(named)) throw new Refused(`its sha256 is "${named}"`);
  const artifacts = join(home, "artifacts");
  claimPlace(home, named, attempt);
  const to = join(artifacts, named);
  if (isFolder(to)) {
    if (!isFolder(from) || isWhole(home, to, named)) return to;
    // Somebody has changed it since it was committed: this one is sound.
    setAside(home, { sha256: named });
  }
  if (!existsSync(from)) throw new Refused("there is no such folder");
  if (!isFolder(from)) throw new Refused("it is a link, expected a folder");
  verify(from, named);
  alone(from, readManifest(from).files);
  const [above, name] = [dirname(from), basename(from)];
  const way = relative(home, above).split(sep);
  try {
    inFolder(
      home,
      ["artifacts"],
      (store) => inFolder(home, way, (own) => renameSync(join(own, name), join(store, named))),
      {
        make: true,
      },
    );
  } catch (error) {
    // The same content, committed by another attempt in between.
    if (isFolder(to)) return to;
    throw error;
  }
  try {
    // The worker may have had its hands in it until it was out of its reach.
    verify(to, named);
    alone(to, readManifest(to).files);
  } catch (error) {
    setAside(home, { sha256: named });
    throw error;
  }
  // The worker may still read what it made, also when the workspace has moved.
  inFolder(home, way, (own) => symlinkSync(relative(realpathSync(above), realpathSync(to)), join(own, name)));
  syncFolder(artifacts);
  seal(home, named, to, readManifest(to).files);
  return to;
}

function isWhole(home: string, folder: string, named: string): boolean {
  try {
    verify(folder, named);
    return isVerified(home, named, folder, readManifest(folder).files);
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

/** The manifest names the files; its hash must be the line's, and the sizes those on disk. */
function verify(folder: string, named: string): void {
  const { files } = readManifest(folder);
  const seen = contentHash(files);
  if (seen !== named) throw new Refused(`its manifest hashes to ${seen}`);
  for (const file of files) {
    const path = inside(folder, file.path);
    if (linkBelow(folder, path)) throw new Refused(`${file.path} is a link, expected a file`);
    const seen = lstatSync(path, { throwIfNoEntry: false });
    if (seen !== undefined && !seen.isFile()) throw new Refused(`${file.path} is no file`);
    if (seen?.size !== file.size)
      throw new Refused(`${file.path} has ${seen?.size ?? "no"} bytes, its manifest says ${file.size}`);
  }
}

/**
 * A folder that goes into the store holds what its manifest names and nothing else, in files that have no second name: what is
 * committed is made read-only, and whoever has another name for a file would have that changed, or change it. @throws Refused
 */
function alone(folder: string, files: readonly ManifestFile[]): void {
  const known = new Set(["manifest.json", ...files.map(({ path }) => path)]);
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path)));
  const look = (below: string): void => {
    const entries = opendirSync(join(folder, below));
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        const path = below === "" ? entry.name : `${below}/${entry.name}`;
        if (entry.isDirectory() && folders.has(path)) look(path);
        else if (!known.has(path)) throw new Refused(`${storable(path, 200)} is not in its manifest`);
        else if (lstatSync(join(folder, path)).nlink > 1)
          throw new Refused(`${path} is a hard link, expected a file of its own: copy it`);
      }
    } finally {
      entries.closeSync();
    }
  };
  look("");
}

/** The checkpoint folder, which its worker can no longer remove. @throws Refused */
function claimed(from: string, named: string, folder: string): string {
  const claims = new Claims(folder);
  if (!claims.take(from)) throw new Refused("its worker has removed it");
  try {
    return checkpoint(from, named);
  } catch (error) {
    claims.release(from);
    throw error;
  }
}

/** The folder, when its manifest is the one the line announces. @throws Refused */
export function checkpoint(folder: string, named: string): string {
  let seen: string;
  try {
    seen = sha256(readRaw(folder));
  } catch {
    throw new Refused("it has no manifest.json");
  }
  if (seen !== named) throw new Refused(`its manifest.json hashes to ${seen}, the event says ${named}`);
  return folder;
}

/**
 * The folder that a line announces: below the attempt's own, and a checkpoint's where the records look for it. What a
 * link leads to is not it. @throws Refused
 */
export function announcedFolder(line: EventLine, folder: string, home: string): string {
  const from = inside(folder, sinceMoved(folder, String(line.path)));
  const above = linkBelow(home, dirname(from));
  if (above !== undefined) throw new Refused(`${relative(home, above)} is a link, expected a folder`);
  const place = `step-${Number(line.step)}`;
  if (line.type !== "checkpoint") return from;
  if (from !== join(folder, place))
    throw new Refused(`a checkpoint of step ${Number(line.step)} lies in ${place}`);
  if (linkBelow(folder, from)) throw new Refused("it is a link, expected a folder");
  return from;
}

/**
 * A worker names its folders by the path that its job told it. Where the workspace was moved before the line was read, the
 * same folder lies below where the attempt lies now.
 */
function sinceMoved(folder: string, path: string): string {
  const told = new AttemptFolder(dirname(folder), basename(folder)).job()?.folder;
  if (typeof told !== "string" || told === folder || !path.startsWith(`${told}/`)) return path;
  return join(folder, relative(told, path));
}

/** A folder of its own, no link to one. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A worker speaks of its own folder only. @throws Refused */
function inside(folder: string, path: string): string {
  const absolute = resolve(folder, path);
  const way = relative(folder, absolute);
  if (way === "" || way.startsWith("..") || isAbsolute(way))
    throw new Refused("it is outside the attempt's folder");
  return absolute;
}
