import { linkSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Writes a file that appears with its content or not at all. False when there is one already. @throws ENOSPC, … */
export function createWhole(path: string, text: string): boolean {
  return beside(path, text, 0o666, (own) => {
    try {
      linkSync(own, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  });
}

/** The same, in the place of one that may be there. */
export function replaceWhole(path: string, text: string, mode = 0o666): void {
  beside(path, text, mode, (own) => renameSync(own, path));
}

function beside<T>(path: string, text: string, mode: number, place: (own: string) => T): T {
  const own = `${path}.${process.pid}`;
  try {
    writeFileSync(own, text, { mode });
    return place(own);
  } finally {
    rmSync(own, { force: true });
  }
}
