import { join } from "node:path";
import { workspace } from "../../core/paths.ts";
import { jsonLines } from "../../views/status-json.ts";
import { note, print, printPart } from "./output.ts";
import { TextTail } from "./text-tail.ts";

interface Wanted {
  json?: boolean;
  stdout?: boolean;
  stderr?: boolean;
}

/** What the worker of a stage writes, attempt after attempt: as it is, or as JSON Lines. */
export class WorkerOutput {
  /** The attempt that is shown. */
  attempt: string | null = null;
  readonly #wanted: Wanted;
  #tails: { stream: string; tail: TextTail }[] = [];

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  /** Shows the last lines of an attempt; from then on `more` shows what it appends. */
  begin({ id, nodeId }: { id: string; nodeId: string | null }, lines: number): void {
    this.attempt = id;
    const streams = [...(this.#wanted.stdout ? ["stdout"] : []), ...(this.#wanted.stderr ? ["stderr"] : [])];
    this.#tails = streams.map((stream) => ({
      stream,
      tail: new TextTail(join(workspace(), "attempts", id, `${stream}.log`)),
    }));
    if (!this.#wanted.json) note(`${id} on ${nodeId ?? "?"}`);
    this.#show((tail) => tail.lastLines(lines));
  }

  more(): void {
    this.#show((tail) => tail.next());
  }

  /** Whether its files are in this workspace. */
  isHere(): boolean {
    return this.#tails.some(({ tail }) => tail.exists());
  }

  #show(read: (tail: TextTail) => string): void {
    for (const { stream, tail } of this.#tails) {
      const text = read(tail);
      if (text === "") continue;
      if (this.#wanted.json) print(jsonLines([{ type: "output", attempt: this.attempt, stream, text }]));
      // A bar that is drawn over itself becomes lines.
      else printPart(text.replace(/\r\n?/g, "\n"));
    }
  }
}
