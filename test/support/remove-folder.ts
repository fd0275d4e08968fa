import { rmSync } from "node:fs";

const tries = 100;

/**
 * Removes a folder in which processes that are about to end may still write. `maxRetries` does not do it: Node looks
 * into a folder once, and then only asks again whether it is empty.
 */
export function removeFolder(folder: string): void {
  for (let left = tries; ; left--) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY" || left === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
