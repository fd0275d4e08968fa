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
