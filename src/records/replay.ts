import { applyChange, type Change, emptyRows, type RowMaps } from "../core/changes.ts";
import { currentUri } from "../core/places.ts";
import { reviveRow } from "./revive.ts";

/**
 * Rows as the event log tells them. They equal the tables, except for what the log leaves out: `Stage.spec`, and
 * of live attempts the signs of life (heartbeat, lease, step), which the event of their end repeats.
 * @param events in the order of their ids
 */
export function replayEvents(events: Iterable<{ data: unknown }>): RowMaps {
  const rows = emptyRows();
  for (const { data } of events) {
    const { changes = [] } = data as { changes?: Change[] };
    for (const change of changes) applyChange(rows, revived(change));
  }
  return rows;
}

/** Times and big integers, which JSON has not. */
export function revived(change: Change): Change {
  if ("insert" in change) {
    const insert = reviveRow<Record<string, unknown>>(change.insert);
    if (change.table === "Artifact") insert.uri = currentUri(change.insert.uri);
    return { ...change, insert } as unknown as Change;
  }
  if ("set" in change) return { ...change, set: reviveRow(change.set) } as Change;
  return change;
}
