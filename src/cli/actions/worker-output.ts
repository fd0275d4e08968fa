import { join } from "node:path";
import { workspace } from "../../core/paths.ts";
import { redactValues } from "../../core/redact.ts";
import { AttemptFolder } from "../../dispatch/attempt-folder.ts";
import { jsonLines } from "../../views/status-json.ts";
import { note, print, printPart } from "./output.ts";
import { TextTail } from "./text-tail.ts";

interface Wanted {
  json?: boolean;
  stdout?: boolean;
  stderr?: boolean;
}

interface Stream {
  name: string;
  tail: TextTail;
  /** The beginning of a line whose rest has not come yet. */
  begun: string;
}

/**
 * What the worker of a stage writes, attempt after attempt: as it is, or as JSON Lines. The files are the worker's own words;
 * what is shown of them is without secrets.
 */
export class WorkerOutput {
  /** The attempt that is shown. */
  attempt: string | null = null;
  readonly #wanted: Wanted;
  readonly #secrets: readonly string[];
  #streams: Stream[] = [];

  /** @param secrets values that are shown nowhere */
  constructor(wanted: Wanted, secrets: readonly string[]) {
    this.#wanted = wanted;
    this.#secrets = secrets;
  }

  /** Shows the last lines of an attempt; from then on `more` shows what it appends. */
  begin({ id, nodeId }: { id: string; nodeId: string | null }, lines: number): void {
    this.end();
    this.attempt = id;
    const attempts = join(workspace(), "attempts");
    const names = [...(this.#wanted.stdout ? ["stdout"] : []), ...(this.#wanted.stderr ? ["stderr"] : [])];
    // What a link in the place of its folder leads to is no worker's output.
    this.#streams = new AttemptFolder(attempts, id).isThere()
      ? names.map((name) => ({ name, tail: new TextTail(join(attempts, id, `${name}.log`)), begun: "" }))
      : [];
    if (!this.#wanted.json) note(`${id} on ${nodeId ?? "?"}`);
    for (const stream of this.#streams) this.#show(stream, stream.tail.lastLines(lines));
  }

  more(): void {
    for (const stream of this.#streams) this.#show(stream, stream.tail.next());
  }

  /** Shows also the line that has no end. */
  end(): void {
    for (const stream of this.#streams) this.#show(stream, "");
  }

  /** Whether its files are in this workspace. */
  isHere(): boolean {
    return this.#streams.some(({ tail }) => tail.exists());
  }

  /** Whole lines, so that no secret is shown in two parts; the last one too when nothing more of it comes. */
  #show(stream: Stream, read: string): void {
    const all = stream.begun + read;
    const end = read === "" ? all.length : Math.max(all.lastIndexOf("\n"), all.lastIndexOf("\r")) + 1;
    stream.begun = all.slice(end);
    if (end === 0) return;
    const text = redactValues(all.slice(0, end), this.#secrets);
    const { name } = stream;
    if (this.#wanted.json) print(jsonLines([{ type: "output", attempt: this.attempt, stream: name, text }]));
    // A bar that is drawn over itself becomes lines.
    else printPart(text.replace(/\r\n?/g, "\n"));
  }
}
