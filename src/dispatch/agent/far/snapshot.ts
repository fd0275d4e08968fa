import { constants, existsSync, linkSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readManifest } from "../../transfer/manifest.ts";

/**
 * Holds the files of a folder at `to` by hard links, so that they stay when the worker removes the folder; copies them
 * where the file system has no links. The worker never writes to a checkpoint it has announced.
 * @throws Refused when the folder has no manifest; ENOENT when it is removed meanwhile
 */
export async function hold(folder: string, to: string): Promise<string> {
  if (existsSync(to)) return to;
  const temporary = `${to}.new`;
  rmSync(temporary, { recursive: true, force: true });
  const files = readManifest(folder).files.map(({ path }) => path);
  for (const path of [...files, "manifest.json"]) {
    const [from, target] = [join(folder, path), join(temporary, path)];
    mkdirSync(dirname(target), { recursive: true });
    try {
      linkSync(from, target);
    } catch (error) {
      if (!["EPERM", "EXDEV", "ENOTSUP", "EMLINK"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
      await copyFile(from, target, constants.COPYFILE_FICLONE);
    }
  }
  renameSync(temporary, to);
  return to;
}
