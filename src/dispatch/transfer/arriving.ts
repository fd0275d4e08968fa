import { existsSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { inFolder } from "../../core/own-folder.ts";
import { replaceWhole } from "../../core/whole-file.ts";
import { checkRoom, syncFile, syncFolder } from "./durable.ts";
import { atOnce, foldersOf, type Manifest, type ManifestFile, type Slices } from "./manifest.ts";
import { PartFile } from "./part-file.ts";
import { seal } from "./verified.ts";

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
    atOnce(this.beginning(manifest));
  }

  *beginning(manifest: Manifest): Slices<void> {
    const home = dirname(dirname(this.place));
    const way = relative(home, this.temporary).split(sep);
    const make = (...below: string[]) => inFolder(home, [...way, ...below], () => {}, { make: true });
    make("parts");
    make("files");
    const folder = join(this.temporary, "files");
    checkRoom(folder, (yield* this.missing()).bytes);
    for (const below of new Set(this.files.flatMap(({ path }) => foldersOf(path)))) {
      make("files", ...below.split("/"));
      yield;
    }
    for (const [index, file] of this.files.entries()) {
      if (file.size === 0 && !this.isDone(index)) writeFileSync(join(folder, file.path), "", { flag: "wx" });
      yield;
    }
    replaceWhole(join(folder, "manifest.json"), manifest.raw);
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

  /** Of each file the bytes that are here, null for one that is whole. */
  *have(): Slices<(number | null)[]> {
    const have: (number | null)[] = [];
    for (const index of this.files.keys()) {
      have.push(this.isDone(index) ? null : this.file(index).have());
      yield;
    }
    return have;
  }

  missingBytes(): number {
    return atOnce(this.missing()).bytes;
  }

  /** What is not here yet. */
  *missing(): Slices<{ bytes: number; files: string[] }> {
    const files = [];
    let bytes = 0;
    for (const [index, have] of (yield* this.have()).entries()) {
      if (have === null) continue;
      files.push(this.files[index]!.path);
      bytes += this.files[index]!.size - have;
    }
    return { bytes, files };
  }

  /**
   * Everything is on disk, then the folder takes its place. One that is there already is the same content. What is left
   * of the transfer goes with `temporary`, which the caller removes.
   */
  async finish(): Promise<void> {
    if (!existsSync(this.place)) {
      const folder = join(this.temporary, "files");
      await syncFile(join(folder, "manifest.json"));
      const folders = new Set([".", ...this.files.flatMap(({ path }) => foldersOf(path))]);
      for (const below of folders) await syncFile(join(folder, below));
      try {
        renameSync(folder, this.place);
      } catch (error) {
        if (!existsSync(this.place)) throw error;
      }
      syncFolder(dirname(this.place));
      seal(dirname(dirname(this.place)), basename(this.place), this.place, this.files);
    }
  }
}
