import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkRoom, syncFile, syncFolder } from "./durable.ts";
import type { Manifest, ManifestFile } from "./manifest.ts";
import { PartFile } from "./part-file.ts";

/**
 * An artifact on its way into a folder of artifacts: `<temporary>/files` fills up beside `<temporary>/parts`, and is
 * renamed to its place when it is whole. The same on both ends: uploads arrive at serve, inputs at an agent.
 */
export class Arriving {
  readonly temporary: string;
  readonly files: readonly ManifestFile[];
  private readonly place: string;

  constructor(temporary: string, place: string, manifest: Manifest) {
    this.temporary = temporary;
    this.place = place;
    this.files = manifest.files;
  }

  /** Makes room and the empty files. May be called again. @throws ENOSPC when the rest does not fit on the disk */
  begin(manifest: Manifest): void {
    const folder = join(this.temporary, "files");
    mkdirSync(folder, { recursive: true });
    checkRoom(folder, this.missingBytes());
    for (const file of this.files) {
      if (file.size > 0) continue;
      const path = join(folder, file.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, "");
    }
    writeFileSync(join(folder, "manifest.json"), manifest.raw);
  }

  file(index: number): PartFile {
    const file = this.files[index];
    if (file === undefined)
      throw new RangeError(`the manifest has ${this.files.length} files, none at ${index}`);
    return new PartFile(
      join(this.temporary, "parts", String(index)),
      join(this.temporary, "files", file.path),
      file,
    );
  }

  isDone(index: number): boolean {
    return this.file(index).isDone();
  }

  missingBytes(): number {
    return this.files.reduce(
      (sum, { size }, i) => sum + (this.isDone(i) ? 0 : size - this.file(i).have()),
      0,
    );
  }

  /** Files that are not whole yet. */
  missing(): string[] {
    return this.files.filter((_, index) => !this.isDone(index)).map(({ path }) => path);
  }

  /**
   * Everything is on disk, then the folder takes its place. One that is there already is the same content. What is left
   * of the transfer goes with `temporary`, which the caller removes.
   */
  async finish(): Promise<void> {
    if (!existsSync(this.place)) {
      const folder = join(this.temporary, "files");
      await syncFile(join(folder, "manifest.json"));
      for (const below of foldersOf(folder)) syncFolder(below);
      try {
        renameSync(folder, this.place);
      } catch (error) {
        if (!existsSync(this.place)) throw error;
      }
      syncFolder(dirname(this.place));
    }
  }
}

function foldersOf(folder: string): string[] {
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [folder, ...below.flatMap((entry) => foldersOf(join(folder, entry.name)))];
}
