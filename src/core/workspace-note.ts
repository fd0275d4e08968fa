import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { makeHome, readNoteIn } from "./own-folder.ts";
import { realPath } from "./paths.ts";
import { createWhole, replaceWhole } from "./whole-file.ts";

const file = "workspace.json";
/** Where versions before this file kept the name alone. */
const oldFile = "workspace.id";

/**
 * `<home>/workspace.json`: the name of a workspace, which also stands in its database and in the notes of its daemons, and
 * where its folder lay when it was last used. A rename keeps a folder's number (inode) and a copy does not, so that the
 * two can be told apart.
 */
export interface WorkspaceNote {
  id: string;
  path: string;
  inode: string;
  /** Machine that last used it. */
  host: string;
  /** Its name in an embedded database that came with a copy; serve writes the new name there. */
  formerly?: string;
}

/** Where a folder is, in the words of its note. Links are followed. */
export function locate(home: string): Pick<WorkspaceNote, "path" | "inode" | "host"> {
  const path = realPath(home);
  return { path, inode: inodeOf(path) ?? "", host: hostname() };
}

/** Number of a file or folder; undefined where there is none. */
export function inodeOf(path: string): string | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino.toString();
}

/** Whether the folder of an attempt is a copy, by what its engine noted: the processes it names are those of the original. */
export function isCopiedFolder(attempt: string): boolean {
  const attempts = dirname(attempt);
  const way = [basename(attempts), basename(attempt)];
  const inode = readNoteIn<{ inode?: string }>(dirname(attempts), way, "engine.json")?.inode;
  return inode !== undefined && inode !== inodeOf(attempt);
}

/** Whether two paths are one folder. @throws EACCES where one cannot be looked at */
export function isSameFolder(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

/** The note of a workspace. Of an old version, or when the disk was full, what there is; undefined where there is nothing. */
export function readWorkspaceNote(home: string): (Partial<WorkspaceNote> & { id: string }) | undefined {
  try {
    const note = JSON.parse(readFileSync(join(home, file), "utf8")) as WorkspaceNote;
    if (typeof note.id === "string" && note.id !== "") return note;
  } catch {
    // Looked for under its old name.
  }
  try {
    const id = readFileSync(join(home, oldFile), "utf8").trim();
    return id === "" ? undefined : { id };
  } catch {
    return undefined;
  }
}

/** Writes the note, whole or not at all. @throws ENOSPC, EACCES, … */
export function writeWorkspaceNote(home: string, note: WorkspaceNote): void {
  replaceWhole(join(home, file), `${JSON.stringify(note)}\n`);
  rmSync(join(home, oldFile), { force: true });
}

/**
 * Name of a workspace: an agent that finds serve's name in its own folder shares it. Makes the name where there is none.
 * @throws ENOSPC, EACCES, …; never leaves half a name
 */
export function workspaceId(home: string): string {
  makeHome(home);
  const known = knownWorkspaceId(home);
  if (known !== "") return known;
  const note: WorkspaceNote = { id: randomUUID(), ...locate(home) };
  // Of two that start at once the first has named it; an empty one was left by a full disk.
  const made = createWhole(join(home, file), `${JSON.stringify(note)}\n`);
  if (!made && knownWorkspaceId(home) === "") writeWorkspaceNote(home, note);
  return knownWorkspaceId(home);
}

/** The name of a workspace; empty where it has none yet, or where the folder cannot be read. */
export function knownWorkspaceId(home: string): string {
  return readWorkspaceNote(home)?.id ?? "";
}
