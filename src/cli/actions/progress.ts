import { bytes, count, duration } from "../../views/format.ts";
import { note, print } from "./output.ts";

const everyMs = 1_000;
/** Into a file or pipe fewer lines are read. */
const everyMsInFile = 10_000;

/** Says how far a long command is and how long it still takes: a line that changes, a line now and then, or JSON. */
export class Progress {
  readonly #json: boolean;
  #part = "";
  #began = 0;
  #done = 0;
  #said = 0;
  #open = false;

  constructor({ json = false }: { json?: boolean | undefined }) {
    this.#json = json;
  }

  /** `size` more of `total` bytes. */
  add(part: string, size: number, total: number): void {
    this.at(part, (part === this.#part ? this.#done : 0) + size, total, bytes);
  }

  /** `done` of `total`. */
  at(part: string, done: number, total: number, words: (value: number) => string = count): void {
    const now = Date.now();
    if (part !== this.#part) [this.#part, this.#began, this.#said] = [part, now, now];
    this.#done = done;
    const often = this.#json || process.stderr.isTTY ? everyMs : everyMsInFile;
    if (now - this.#said < often) return;
    this.#said = now;
    const of = Math.max(done, total);
    const etaMs = done > 0 ? Math.round(((now - this.#began) * (of - done)) / done) : null;
    if (this.#json) {
      print(JSON.stringify({ type: "progress", part, done, of, etaMs }));
      return;
    }
    const left = etaMs === null ? "" : `, ${duration(etaMs)} left`;
    const text = `${part}: ${words(done)} of ${words(of)}${left}`;
    if (!process.stderr.isTTY) {
      note(text);
      return;
    }
    process.stderr.write(`\r\x1b[K${text}`);
    this.#open = true;
  }

  end(): void {
    if (this.#open) process.stderr.write("\r\x1b[K");
    this.#open = false;
  }
}
