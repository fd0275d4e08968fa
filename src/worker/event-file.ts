import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import type { WorkerEvent } from "./protocol.ts";

type WithoutTime<Event> = Event extends unknown ? Omit<Event, "at"> : never;

/** Appends events to a worker's event file, one line each, whole lines only. */
export interface EventFile {
  write(event: WithoutTime<WorkerEvent>): void;
  close(): void;
}

/** Opens an event file for appending; several programs of one attempt may follow each other in it. */
export function openEventFile(path: string): EventFile {
  const descriptor = openSync(path, "a");
  return {
    write: (event) =>
      void writeSync(descriptor, `${JSON.stringify({ ...event, at: new Date().toISOString() })}\n`),
    close: () => {
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}
