import { constants, copyFileSync, linkSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { inFolder, isInFolder } from "../../../core/own-folder.ts";
import { foldersOf, readManifest } from "../../transfer/manifest.ts";

/**
 * Holds the files of a checkpoint's folder in `.uploading/<sha256>` of its attempt by hard links, so that they stay when the worker removes the folder; copies them
 * where the file system has no links. The worker never writes to a checkpoint it has announced.
 * @throws Refused when the folder has no manifest; ENOENT when it is removed meanwhile
 */
export async function hold(home: string, attempt: string, folder: string, sha256: string): Promise<string> {
  const held = ["attempts", attempt, ".uploading"];
  const place = join(home, ...held, sha256);
  if (isInFolder(home, [...held, sha256])) return place;
  const temporary = `${sha256}.new`;
  inFolder(home, held, (at) => rmSync(join(at, temporary), { recursive: true, force: true }), { make: true });
  const files = readManifest(folder).files.map(({ path }) => path);
  for (const path of [...files, "manifest.json"]) {
    const way = [
      ...held,
      temporary,
      ...foldersOf(path)
        .slice(0, 1)
        .flatMap((below) => below.split("/")),
    ];
    inFolder(home, way, (at) => linked(join(folder, path), join(at, basename(path))), { make: true });
  }
  inFolder(home, held, (at) => renameSync(join(at, temporary), join(at, sha256)));
  return place;
}

function linked(from: string, target: string): void {
  try {
    linkSync(from, target);
  } catch (error) {
    if (!["EPERM", "EXDEV", "ENOTSUP", "EMLINK"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
    copyFileSync(from, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }
}
