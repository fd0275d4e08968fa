import { closeSync, fstatSync, readSync } from "node:fs";
import { isNoFile, openFile } from "../../core/whole-file.ts";

/** Only this much of the end is searched for the last lines. */
const window = 4 * 1024 * 1024;

/** A text file that somebody else appends to. */
export class TextTail {
  readonly #path: string;
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether a file stands there; what a worker put in its place, such as a link, is none. */
  exists(): boolean {
    const file = this.#open();
    if (file !== undefined) closeSync(file);
    return file !== undefined;
  }

  /** The last `count` lines; what comes later is read with `next`. */
  lastLines(count: number): string {
    const text = this.#read(window);
    const lines = text.split("\n");
    const ended = lines.at(-1) === "" ? 1 : 0;
    return lines.slice(Math.max(0, lines.length - count - ended)).join("\n");
  }

  /** The end of the file from the first whole line on, at most that many bytes. */
  lastBytes(most: number): string {
    const text = this.#read(most);
    return Buffer.byteLength(text) < most ? text : text.slice(text.indexOf("\n") + 1);
  }

  /** What was appended since the last call. */
  next(): string {
    return this.#read(Number.POSITIVE_INFINITY);
  }

  #open(): number | undefined {
    try {
      return openFile(this.#path);
    } catch (error) {
      if (isNoFile(error) || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  #read(most: number): string {
    const file = this.#open();
    if (file === undefined) return "";
    try {
      const size = fstatSync(file).size;
      const from = Math.max(this.#offset, size - most);
      const buffer = Buffer.alloc(Math.max(0, size - from));
      readSync(file, buffer, 0, buffer.length, from);
      this.#offset = size;
      return buffer.toString("utf8");
    } finally {
      closeSync(file);
    }
  }
}
