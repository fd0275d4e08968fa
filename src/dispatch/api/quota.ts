import { warning } from "../../worker/protocol.ts";
import type { EventLine } from "./contract.ts";

/** Bytes of one event file that go into the records whole: a training of months needs a tenth of it. */
export const mostTold = 2 ** 30;

/** What is counted on when a worker has said too much. Each is one row at most, or none. */
const facts = new Set(["checkpoint", "artifact", "result"]);

/**
 * The events of a batch as far as they are taken: every line of a worker becomes a row that stays, on a disk that all runs
 * share. Of an event file that is longer than `mostTold` only what it makes, its progress and its end are, so that a worker
 * that writes without end costs itself its words and nobody else the database.
 */
export function withinQuota(events: EventLine[], offset: number, bytes: number): EventLine[] {
  if (offset + bytes <= mostTold) return events;
  const crossed = offset <= mostTold;
  const said = `the event file is longer than ${mostTold} bytes: of what follows only outputs, checkpoints, progress and the result are recorded`;
  const note = crossed ? [warning("too_much_said", said)] : [];
  // It is a sign of life whatever it says.
  const alive = { type: "heartbeat", at: new Date().toISOString() };
  const kept = new Map(
    events.flatMap((event): [string, EventLine][] => {
      if (event.type === "progress") return [["progress", event]];
      return facts.has(event.type) ? [[`${event.type} ${String(event.sha256)}`, event]] : [];
    }),
  );
  return [alive, ...note, ...kept.values()];
}
