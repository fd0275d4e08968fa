import { once } from "node:events";
import { shown } from "../../views/look.ts";

/** Writes a text and a line end to standard output. Nothing that others wrote moves a terminal: here and below all goes through `shown`. */
export function print(text: string): void {
  process.stdout.write(`${shown(text)}\n`);
}

/** The same without a line end, for what has its own. */
export function printPart(text: string): void {
  process.stdout.write(shown(text));
}

/** The same for one of many pages: waits while the reader is slower, or until the user leaves. */
export async function printPage(text: string, signal?: AbortSignal): Promise<void> {
  if (process.stdout.write(`${shown(text)}\n`)) return;
  await once(process.stdout, "drain", signal === undefined ? {} : { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}

/** Says what is being waited for, to somebody who sits before a terminal. */
export function noteOnTerminal(text: string): void {
  if (process.stderr.isTTY) note(text);
}

/** Writes to standard error what is said beside the result. */
export function note(text: string): void {
  process.stderr.write(`${shown(text)}\n`);
}
