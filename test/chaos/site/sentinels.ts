import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const text = "not of the store: nothing may change it\n";
/** What lies beside the store in a workspace, and beside the workspace. */
const inside = ["x", "postgres", "models", "artifacts.old"];
const outside = ["x", "y", "outside"];

/** Files that no run has anything to do with: hostile lines name them, and nothing may touch them. */
export class Sentinels {
  readonly #folders: string[] = [];

  constructor(folder: string) {
    this.#lay(outside.map((name) => join(folder, name)));
  }

  /** Into a workspace. */
  lay(home: string): void {
    this.#lay(inside.map((name) => join(home, name)));
  }

  /** The workspace was moved. */
  follow(from: string, to: string): void {
    for (const [i, folder] of this.#folders.entries())
      if (folder.startsWith(`${from}/`)) this.#folders[i] = join(to, folder.slice(from.length + 1));
  }

  /** Which of them are not what they were. */
  faults(): string[] {
    return this.#folders.flatMap((folder) => {
      const file = join(folder, "keep");
      const seen = existsSync(file) ? readFileSync(file, "utf8") : undefined;
      return seen === text ? [] : [`${file} is ${seen === undefined ? "gone" : "changed"}`];
    });
  }

  #lay(folders: string[]): void {
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "keep"), text);
    }
    this.#folders.push(...folders);
  }
}
