import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Path of an artifact's folder, where it lies in this workspace; undefined for one that lies elsewhere. */
export function folderWithin(home: string, uri: string): string | undefined {
  if (!uri.startsWith("file://")) return undefined;
  const path = fileURLToPath(uri);
  const way = relative(home, path);
  return way === "" || way.startsWith("..") ? undefined : path;
}

/** Bytes of everything below, links not followed; 0 where there is nothing. */
export function bytesBelow(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + bytesBelow(join(path, name)), 0);
}

/** The names in a folder; none where there is no such folder. */
export function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

/**
 * Removes folders: each is renamed away first, so that none is ever half there under its own name. What a process that
 * died left in the trash is removed with it.
 */
export class Trash {
  readonly #path: string;

  constructor(home: string) {
    this.#path = join(home, "trash");
    mkdirSync(this.#path, { recursive: true });
  }

  /**
   * @param stillFree asked once the folder is out of sight: false puts it back
   * @returns bytes freed
   */
  async remove(path: string, stillFree: () => Promise<boolean> = async () => true): Promise<number> {
    if (!existsSync(path)) return 0;
    const aside = join(this.#path, `${basename(dirname(path))}-${basename(path)}-${process.pid}`);
    renameSync(path, aside);
    if (!(await stillFree())) {
      if (!existsSync(path)) renameSync(aside, path);
      return 0;
    }
    const bytes = bytesBelow(aside);
    rmSync(aside, { recursive: true, force: true });
    return bytes;
  }

  /** What was left by a process that died in the middle. */
  empty(): number {
    const bytes = bytesBelow(this.#path);
    for (const name of readdirSync(this.#path))
      rmSync(join(this.#path, name), { recursive: true, force: true });
    return bytes;
  }
}
