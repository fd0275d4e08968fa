/** Writes a text and a line end to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes to standard error what is said beside the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
