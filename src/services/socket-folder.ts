import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { ownFolder } from "../core/own-folder.ts";
import { socketFolder } from "../core/paths.ts";

/**
 * Makes the workspace's socket folder. It lies below a folder that everybody may write, so one that
 * somebody else made first is refused. Others may pass through it only as root, for PostgreSQL's user.
 */
export function openSocketFolder(home: string): string {
  const folder = socketFolder(home);
  ownFolder(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
  return folder;
}

/**
 * Removes the socket folder of a workspace where nothing runs any more. Left behind it would belong to this user, and the
 * one to whom the workspace is given next could not use it. What is neither a socket nor an empty folder stays.
 */
export function closeSocketFolder(home: string): void {
  removeSockets(socketFolder(home));
}

function removeSockets(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const found = lstatSync(path);
      if (found.isDirectory()) removeSockets(path);
      else if (found.isSocket()) unlinkSync(path);
    }
    rmdirSync(folder);
  } catch {
    // Not there, another user's, or in use again: the next `down` looks again.
  }
}
