import { chmodSync, mkdirSync, statSync } from "node:fs";
import { LegaloneError } from "../core/errors.ts";
import { socketFolder } from "../core/paths.ts";

/**
 * Makes the workspace's socket folder. It lies below a folder that everybody may write, so one that
 * somebody else made first is refused. Others may pass through it only as root, for PostgreSQL's user.
 */
export function openSocketFolder(home: string): string {
  const folder = socketFolder(home);
  const root = process.getuid?.() === 0;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const owner = statSync(folder).uid;
  if (owner !== process.getuid?.())
    throw new LegaloneError(
      "E_SETUP",
      `${folder} belongs to user ${owner}, expected user ${process.getuid?.()}`,
      {
        hint: "Set XDG_RUNTIME_DIR to a folder of your own, or ask that user to remove it.",
      },
    );
  chmodSync(folder, root ? 0o711 : 0o700);
  return folder;
}
