import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { readNoteIn } from "../core/own-folder.ts";
import { isSameProcess } from "../core/start-time.ts";
import {
  isCopiedFolder,
  isSameFolder,
  locate,
  readWorkspaceNote,
  writeWorkspaceNote,
} from "../core/workspace-note.ts";
import { readDaemon } from "./daemon.ts";

/** There while `restore` fills a folder: what lies beside it is half a workspace. */
export const restoringFile = "restoring.json";

/** What a folder is, by its note and by what stands where the note was written. */
export type HomeState =
  | { state: "new" | "here" }
  /** While nothing ran. */
  | { state: "moved"; from: string }
  /** What runs still writes to where the folder was. */
  | { state: "moved running"; from: string; running: string[] }
  /** The original is still at its place. */
  | { state: "copy"; from: string }
  /** It comes from another machine: moved or copied, which cannot be seen from here. */
  | { state: "brought"; from: string; host: string }
  | { state: "half restored" };

/** Looks at a folder and changes nothing. */
export function lookAtHome(home: string): HomeState {
  if (isHalfRestored(home)) return { state: "half restored" };
  const note = readWorkspaceNote(home);
  if (note === undefined) return { state: "new" };
  const { id, path: from, inode, host } = note;
  // Of an old version, without a place: it is taken for where it lies.
  if (from === undefined) return { state: "here" };
  const now = locate(home);
  if (from === now.path && inode === now.inode) return { state: "here" };
  // Another path to the same folder, as a mount makes it.
  if (isSameFolder(from, now.path)) return { state: "here" };
  if (from !== now.path && readWorkspaceNote(from)?.id === id) return { state: "copy", from };
  if (inode !== now.inode && host !== undefined && host !== now.host) return { state: "brought", from, host };
  const running = runningIn(home, now.path);
  return running.length > 0 ? { state: "moved running", from, running } : { state: "moved", from };
}

/**
 * Before a command uses a workspace: one that was moved while nothing ran is known by its new place from then on, and the
 * place it was moved from is returned.
 * @throws E_WORKSPACE where it may be another's: nothing of it is read or touched
 */
export function settleHome(home: string): string | undefined {
  const seen = lookAtHome(home);
  const error = homeError(home, seen);
  if (error !== undefined) throw error;
  const note = readWorkspaceNote(home);
  if (note === undefined || (seen.state !== "moved" && note.path !== undefined)) return undefined;
  try {
    writeWorkspaceNote(home, { ...note, ...locate(home) });
  } catch (error) {
    // Who may only read the folder may still look at its runs.
    if (!["EACCES", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  return seen.state === "moved" ? seen.from : undefined;
}

/** By another process than this one. */
function isHalfRestored(home: string): boolean {
  try {
    return JSON.parse(readFileSync(join(home, restoringFile), "utf8")).pid !== process.pid;
  } catch (error) {
    // Without words it was cut off; without the file, or a folder for it, there was no restore.
    return error instanceof SyntaxError;
  }
}

/** What is wrong with a folder, and what to do; undefined for one that can be used. */
export function homeError(home: string, seen: HomeState): LegaloneError | undefined {
  switch (seen.state) {
    case "copy":
      return foreign(
        `${home} is a copy: the workspace lies in ${seen.from}`,
        `LEGALONE_HOME=${seen.from} uses the workspace. \`legalone adopt --copy\` makes this folder one of its own (only a copy that was made after \`legalone down\` is whole; \`legalone backup\` works at any time).`,
        seen,
      );
    case "brought":
      return foreign(
        `${home} was last used as ${seen.from} on ${seen.host}, and may be a copy`,
        "`legalone adopt --moved` when nobody uses it there any more, `legalone adopt --copy` to make it a workspace of its own.",
        seen,
      );
    case "moved running":
      return foreign(
        `${home} was moved from ${seen.from} while it ran, and what runs still writes there: ${seen.running.join(", ")}`,
        `Move it back, or stop what runs: \`legalone down --workers\`. Then \`legalone up\`; runs go on from their last checkpoints.`,
        seen,
      );
    case "half restored":
      return foreign(
        `a restore into ${home} did not come to its end`,
        "Give `legalone restore` again: it begins anew.",
        seen,
      );
    default:
      return undefined;
  }
}

function foreign(message: string, hint: string, seen: HomeState): LegaloneError {
  return new LegaloneError("E_WORKSPACE", message, { hint, fields: { ...seen } });
}

/** Daemons and workers of this folder that run on this machine; with `lies`, those that began when it lay elsewhere. */
export function runningIn(home: string, lies?: string): string[] {
  const daemons = ["serve", "agent", "valkey", "postgres"].flatMap((name) => {
    const note = readDaemon(join(home, `${name}.json`));
    return note === undefined || note.home === lies ? [] : [`${name} (process ${note.pid})`];
  });
  const attempts = join(home, "attempts");
  const workers = (existsSync(attempts) ? readdirSync(attempts) : []).filter((name) => {
    const read = <T extends object>(part: string) => readNoteIn<T>(home, ["attempts", name], part);
    const { pid, start } = read<{ pid?: unknown; start?: unknown }>("pid.json") ?? {};
    if (typeof pid !== "number" || typeof start !== "string" || !isSameProcess(pid, start)) return false;
    if (read("exit.json") !== undefined || isCopiedFolder(join(attempts, name))) return false;
    const told = read<{ folder?: unknown }>("job.json");
    return told !== undefined && told.folder !== join(lies ?? "", "attempts", name);
  });
  return [...daemons, ...workers.map((name) => `worker ${name}`)];
}
