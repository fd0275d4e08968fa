import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { WorkerEvent } from "./protocol.ts";

type WithoutTime<Event> = Event extends unknown ? Omit<Event, "at"> : never;

/** Appends events to a worker's event file, one line each, whole lines only. */
export interface EventFile {
  /** @throws Error ENOSPC when the line does not fit; nothing of it stays then */
  write(event: WithoutTime<WorkerEvent>): void;
  close(): void;
}

/**
 * Opens an event file for appending; several programs of one attempt may follow each other in it. A line that one of
 * them left torn is ended first. stages/_worker/events.py does the same.
 */
export function openEventFile(path: string): EventFile {
  const descriptor = openSync(path, "a+");
  let torn = endsTorn(descriptor);
  return {
    write: (event) => {
      const line = `${JSON.stringify({ ...event, at: new Date().toISOString() })}\n`;
      const data = Buffer.from(torn ? `\n${line}` : line);
      const begin = fstatSync(descriptor).size;
      try {
        for (let done = 0; done < data.length; ) done += writeSync(descriptor, data, done);
        torn = false;
      } catch (error) {
        torn = !cutBack(descriptor, begin);
        throw error;
      }
    },
    close: () => {
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}

/** False where what was written of a line cannot be taken back. */
function cutBack(descriptor: number, begin: number): boolean {
  try {
    ftruncateSync(descriptor, begin);
    return true;
  } catch {
    return false;
  }
}

function endsTorn(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 10;
}
