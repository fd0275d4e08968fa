import { closeSync, fstatSync, lstatSync, readSync } from "node:fs";
import { isNoFile, openFile } from "../../core/whole-file.ts";
import { eventsFrom, warning } from "../../worker/protocol.ts";
import type { EventLine } from "../api/contract.ts";

/** Serve takes batches of this size in one transaction without keeping others waiting. */
const batchBytes = 256 * 1024;
const batchLines = 2000;
/** No event is longer; what has no line end for so long is no event file. */
const longestLine = 8 * 1024 * 1024;

/** A line of the file, and how many bytes of it: no UTF-8 may have been in it. */
interface Line {
  text: string;
  bytes: number;
}

/** Lines from byte `offset` on, which together cover `bytes` bytes of the file. */
export interface Batch {
  offset: number;
  bytes: number;
  lines: Line[];
}

/**
 * Reads the next whole lines of an event file from `offset`, or undefined when there are none. With `final`
 * nothing more will be written, and a last line that was cut off counts too. A file that is not there is empty; so is what is no file.
 */
export function readBatch(file: string, offset: number, final: boolean): Batch | undefined {
  let descriptor: number;
  try {
    descriptor = openFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || isNoFile(error)) return undefined;
    throw error;
  }
  try {
    const left = fstatSync(descriptor).size - offset;
    for (let size = batchBytes; left > 0; size *= 4) {
      const buffer = Buffer.alloc(Math.min(size, left));
      const chunk = buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, offset));
      const batch = cut(chunk, offset);
      if (batch !== undefined) return batch;
      if (chunk.length === left && !final) return undefined;
      if (chunk.length === left || size >= longestLine)
        return {
          offset,
          bytes: chunk.length,
          lines: [{ text: chunk.toString("utf8"), bytes: chunk.length }],
        };
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** The whole lines of a chunk, at most `batchLines`; undefined when it holds no line end. */
function cut(chunk: Buffer, offset: number): Batch | undefined {
  const lines: Line[] = [];
  let begin = 0;
  for (let end = chunk.indexOf(10); end !== -1 && lines.length < batchLines; end = chunk.indexOf(10, begin)) {
    lines.push({ text: chunk.toString("utf8", begin, end), bytes: end + 1 - begin });
    begin = end + 1;
  }
  return begin === 0 ? undefined : { offset, bytes: begin, lines };
}

/**
 * The batch in pieces, in order: a line that announces a folder stands alone, so that those before it do not wait while
 * the folder is sent.
 */
export function piecesOf(batch: Batch): Batch[] {
  return split(batch, (text, before) => announces.test(text) || announces.test(before));
}

/** The batch in two, or undefined when it is one line. */
export function halvesOf(batch: Batch): Batch[] | undefined {
  const middle = batch.lines.length >> 1;
  return middle === 0 ? undefined : split(batch, (_text, _before, index) => index === middle);
}

/** The lines of a batch that lie before byte `end` of the file; undefined when none does. */
export function before(batch: Batch, end: number): Batch | undefined {
  if (end >= batch.offset + batch.bytes) return batch;
  let at = batch.offset;
  const lines = batch.lines.filter((line) => {
    at += line.bytes;
    return at <= end;
  });
  const bytes = lines.reduce((sum, line) => sum + line.bytes, 0);
  return lines.length === 0 ? undefined : { offset: batch.offset, bytes, lines };
}

/** Cuts a batch before every line of which `begins` says so. */
function split(batch: Batch, begins: (text: string, before: string, index: number) => boolean): Batch[] {
  const pieces: Batch[] = [];
  let at = batch.offset;
  for (const [index, line] of batch.lines.entries()) {
    const last = pieces.at(-1);
    if (last === undefined || begins(line.text, batch.lines[index - 1]!.text, index))
      pieces.push({ offset: at, bytes: line.bytes, lines: [line] });
    else {
      last.bytes += line.bytes;
      last.lines.push(line);
    }
    at += line.bytes;
  }
  return pieces;
}

const announces = /"type"\s*:\s*"(artifact|checkpoint)"/;

/** So much of the end of a file is looked through for its newest progress: a worker may have written gigabytes since. */
const lookAhead = 4 * 1024 * 1024;

/** The newest progress from `offset` on, however far ahead, as far as the end of the file tells it. */
export function newestProgress(file: string, offset: number, hide = asItIs): EventLine | undefined {
  let newest: EventLine | undefined;
  const size = lstatSync(file, { throwIfNoEntry: false })?.size ?? 0;
  for (
    let batch = readBatch(file, Math.max(offset, size - lookAhead), false);
    batch;
    batch = readBatch(file, batch.offset + batch.bytes, false)
  ) {
    const line = batch.lines.findLast(({ text }) => /"type"\s*:\s*"progress"/.test(text));
    const [event] = line === undefined ? [] : eventsOf({ ...batch, lines: [line] }, hide);
    if (event?.type === "progress") newest = event;
  }
  return newest;
}

/** Hides nothing. */
export const asItIs = (text: string): string => text;

/**
 * The events of a batch. What is no event of the protocol becomes a warning that says where and why, so that nothing is
 * lost in silence and no line stops those behind it. Empty lines are dropped.
 * @param hide takes from every text what no record may hold
 */
export function eventsOf(batch: Batch, hide = asItIs): EventLine[] {
  let at = batch.offset;
  const events: EventLine[] = [];
  for (const { text, bytes } of batch.lines) {
    if (text.trim() !== "") events.push(...eventsIn(text, `byte ${at} of the event file`, hide));
    at += bytes;
  }
  return events;
}

function eventsIn(line: string, where: string, hide: (text: string) => string): EventLine[] {
  let value: unknown;
  try {
    value = hide === asItIs ? JSON.parse(line) : hiddenJson(line, hide);
  } catch {
    return [warning("not_json", `${where}: no JSON: ${hide(line).slice(0, 200)}`)];
  }
  return eventsFrom(value, where);
}

/**
 * The value of a line with its texts hidden, and nothing else: numbers stay numbers, and the path of an output leads where it
 * lies, though a value may be how it begins. @throws what JSON.parse() throws
 */
function hiddenJson(line: string, hide: (text: string) => string): unknown {
  if (hide(line) === line) return JSON.parse(line);
  const value: unknown = JSON.parse(line, (_key, inner: unknown) => {
    if (typeof inner === "string") return hide(inner);
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, one]) => [hide(key), one]));
  });
  const { type } = (value ?? {}) as { type?: unknown };
  if (type !== "artifact" && type !== "checkpoint") return value;
  return { ...(value as object), path: (JSON.parse(line) as { path?: unknown }).path };
}

/**
 * What stands for a batch of one line that passes our own check and not serve's. How a worker ended is told all the same,
 * in the plainest words there are.
 */
export function refusedLine(batch: Batch, why: string, hide = asItIs): EventLine[] {
  const [line] = batch.lines;
  const note = warning(
    "line_refused",
    `byte ${batch.offset} of the event file: ${why}: ${hide(line?.text ?? "").slice(0, 500)}`,
  );
  const [event] = eventsOf(batch, hide);
  if (event?.type !== "result") return [note];
  const plain = (text: unknown) => String(text ?? "").replace(/[^ -~]/gu, "?");
  const { type, at, status, reason, message } = event;
  return [
    { type, at, status, reason: plain(reason) || "crashed", message: plain(message).slice(0, 2000) },
    note,
  ];
}
