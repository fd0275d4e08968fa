import { once } from "node:events";

/** Writes a text and a line end to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The same for one of many pages: waits while the reader is slower, or until the user leaves. */
export async function printPage(text: string, signal?: AbortSignal): Promise<void> {
  if (process.stdout.write(`${text}\n`)) return;
  await once(process.stdout, "drain", signal === undefined ? {} : { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}

/** Writes to standard error what is said beside the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
