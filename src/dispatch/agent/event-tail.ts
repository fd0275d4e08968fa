import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { EventLine } from "../api/contract.ts";

/** Serve takes batches of this size in one transaction without keeping others waiting. */
const batchBytes = 256 * 1024;
const batchLines = 2000;
/** No event is longer; what has no line end for so long is no event file. */
const longestLine = 32 * 1024 * 1024;

/** Lines from byte `offset` on, which together cover `bytes` bytes of the file. */
export interface Batch {
  offset: number;
  bytes: number;
  lines: string[];
}

/**
 * Reads the next whole lines of an event file from `offset`, or undefined when there are none. With `final`
 * nothing more will be written, and a last line that was cut off counts too. A file that is not there is empty.
 */
export function readBatch(file: string, offset: number, final: boolean): Batch | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
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
        return { offset, bytes: chunk.length, lines: [chunk.toString("utf8")] };
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** The whole lines of a chunk, at most `batchLines`; undefined when it holds no line end. */
function cut(chunk: Buffer, offset: number): Batch | undefined {
  const lines: string[] = [];
  let begin = 0;
  for (let end = chunk.indexOf(10); end !== -1 && lines.length < batchLines; end = chunk.indexOf(10, begin)) {
    lines.push(chunk.toString("utf8", begin, end));
    begin = end + 1;
  }
  return begin === 0 ? undefined : { offset, bytes: begin, lines };
}

/**
 * The batch in pieces, in order: a line that announces a folder stands alone, so that those before it do not wait while
 * the folder is sent.
 */
export function piecesOf(batch: Batch): Batch[] {
  const pieces: (Batch & { alone: boolean })[] = [];
  let at = batch.offset;
  for (const line of batch.lines) {
    // The last line of a file may end without a line end.
    const bytes = Math.min(Buffer.byteLength(line) + 1, batch.offset + batch.bytes - at);
    const alone = announces.test(line);
    const last = pieces.at(-1);
    if (last === undefined || last.alone || alone) pieces.push({ offset: at, bytes, lines: [line], alone });
    else {
      last.bytes += bytes;
      last.lines.push(line);
    }
    at += bytes;
  }
  return pieces;
}

const announces = /"type"\s*:\s*"(artifact|checkpoint)"/;

/** The newest progress from `offset` on, however far ahead. */
export function newestProgress(
  file: string,
  offset: number,
  faultsOf: (value: unknown) => string[],
): EventLine | undefined {
  let newest: EventLine | undefined;
  for (
    let batch = readBatch(file, offset, false);
    batch;
    batch = readBatch(file, batch.offset + batch.bytes, false)
  ) {
    const line = batch.lines.findLast((text) => /"type"\s*:\s*"progress"/.test(text));
    const [event] = line === undefined ? [] : eventsOf({ ...batch, lines: [line] }, faultsOf);
    if (event?.type === "progress") newest = event;
  }
  return newest;
}

/**
 * The events of a batch. A line that is no event of the protocol becomes a warning that says where and why, so
 * that nothing is lost in silence and no line stops those behind it. Empty lines are dropped.
 */
export function eventsOf(batch: Batch, faultsOf: (value: unknown) => string[]): EventLine[] {
  let at = batch.offset;
  const events: EventLine[] = [];
  for (const line of batch.lines) {
    const begin = at;
    at += Buffer.byteLength(line) + 1;
    if (line.trim() !== "") events.push(eventOf(line, begin, faultsOf));
  }
  return events;
}

function eventOf(line: string, begin: number, faultsOf: (value: unknown) => string[]): EventLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return warning("not_json", `byte ${begin} of the event file: no JSON: ${line.slice(0, 200)}`);
  }
  const faults = faultsOf(value);
  if (faults.length === 0) return value as EventLine;
  return warning(
    "no_event",
    `byte ${begin} of the event file: ${faults.slice(0, 3).join("; ")}: ${line.slice(0, 200)}`,
  );
}

/** A warning event of the agent's own. */
export function warning(code: string, message: string): EventLine {
  return { type: "warning", at: new Date().toISOString(), code, message };
}
