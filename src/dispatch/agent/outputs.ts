import { existsSync, mkdirSync, readFileSync, renameSync, statSync, symlinkSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { sha256 } from "../../core/hash.ts";
import { warning } from "../../worker/protocol.ts";
import type { EventLine } from "../api/contract.ts";
import { syncFolder } from "../transfer/durable.ts";
import { contentHash, isHash, Refused, readManifest } from "../transfer/manifest.ts";
import { Claims } from "./claims.ts";

/**
 * Brings what a line speaks of to where it stays, and adds its `uri`: outputs go to <artifacts>/<sha256>,
 * checkpoints stay in the attempt's folder and are the agent's from then on. Doing it twice is harmless. An output that
 * is not what the line says is refused: the line becomes a warning, and the stage ends without it.
 */
export function settle(line: EventLine, folder: string, artifacts: string): EventLine {
  if (line.type !== "artifact" && line.type !== "checkpoint") return line;
  const { path, sha256: named } = line as EventLine & { path: string; sha256: string };
  try {
    const from = inside(folder, path);
    if (line.type === "checkpoint") return { ...line, uri: pathToFileURL(claimed(from, named, folder)).href };
    return { ...line, uri: pathToFileURL(commit(from, named, artifacts)).href };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refusal(line, error);
  }
}

/** The warning that stands for a line whose output was refused. */
export function refusal(line: EventLine, error: Refused): EventLine {
  return warning("output_refused", `${line.type} ${String(line.path)}: ${error.message}`);
}

/** Moves an output to its place below `artifacts`, and returns that. @throws Refused */
export function commit(from: string, named: string, artifacts: string): string {
  if (!isHash(named)) throw new Refused(`its sha256 is "${named}"`);
  const to = join(artifacts, named);
  if (existsSync(to)) return to;
  if (!existsSync(from)) throw new Refused("there is no such folder");
  verify(from, named);
  mkdirSync(artifacts, { recursive: true });
  try {
    renameSync(from, to);
  } catch (error) {
    // The same content, committed by another attempt in between.
    if (existsSync(to)) return to;
    throw error;
  }
  // The worker may still read what it made.
  symlinkSync(to, from);
  syncFolder(artifacts);
  return to;
}

/** The manifest names the files; its hash must be the line's, and the sizes those on disk. */
function verify(folder: string, named: string): void {
  const { files } = readManifest(folder);
  const seen = contentHash(files);
  if (seen !== named) throw new Refused(`its manifest hashes to ${seen}`);
  for (const file of files) {
    const size = statSync(inside(folder, file.path), { throwIfNoEntry: false })?.size;
    if (size !== file.size)
      throw new Refused(`${file.path} has ${size ?? "no"} bytes, its manifest says ${file.size}`);
  }
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
    seen = sha256(readFileSync(join(folder, "manifest.json")));
  } catch {
    throw new Refused("it has no manifest.json");
  }
  if (seen !== named) throw new Refused(`its manifest.json hashes to ${seen}, the event says ${named}`);
  return folder;
}

/** A worker speaks of its own folder only. @throws Refused */
export function inside(folder: string, path: string): string {
  const absolute = resolve(folder, path);
  const way = relative(folder, absolute);
  if (way === "" || way.startsWith("..") || isAbsolute(way))
    throw new Refused("it is outside the attempt's folder");
  return absolute;
}
