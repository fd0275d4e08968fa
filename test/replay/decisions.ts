import { applyChange, type Change, emptyRows, type RowMaps } from "../../src/core/changes.ts";
import { revived } from "../../src/records/replay.ts";
import type { LoggedEvent } from "../chaos/checks/log.ts";

/** Types of events that only the reconciler writes. */
const decided = new Set([
  "stage.ready",
  "stage.ended",
  "attempt.opened",
  "attempt.unreachable",
  "attempt.stop_requested",
  "attempt.ended",
  "shards.failed",
  "shards.cancelled",
  "gate.passed",
  "gate.failed",
]);

/** What one transaction of the reconciler wrote of one run, and from which rows it may have been decided. */
export interface LoggedDecision {
  runId: string;
  events: LoggedEvent[];
  /** Rows as they were at every moment since the decision before it about the same run: newest first. */
  befores: RowMaps[];
}

/** The reconciler's transactions of a log. Events of one transaction have the same time. */
export function decisionsOf(events: readonly LoggedEvent[]): LoggedDecision[] {
  const decisions: LoggedDecision[] = [];
  const states = [emptyRows()];
  const from = new Map<string, number>();
  for (const event of events) {
    const { runId } = event;
    const rows = copyOf(states.at(-1)!);
    for (const change of changesOf(event)) applyChange(rows, change);
    if (decided.has(event.type)) {
      const open = decisions.findLast((one) => one.runId === runId);
      if (open && open.events[0]!.at === event.at) open.events.push(event);
      else decisions.push({ runId, events: [event], befores: states.slice(from.get(runId) ?? 0).reverse() });
      from.set(runId, states.length);
    }
    states.push(rows);
  }
  return decisions;
}

export function changesOf({ data }: LoggedEvent): Change[] {
  return ((data as { changes?: Change[] }).changes ?? []).map(revived);
}

function copyOf(rows: RowMaps): RowMaps {
  const { Stage, Shard, Attempt, Artifact, Gate, Lease } = rows;
  return {
    Stage: new Map(Stage),
    Shard: new Map(Shard),
    Attempt: new Map(Attempt),
    Artifact: new Map(Artifact),
    Gate: new Map(Gate),
    Lease: new Map(Lease),
  };
}
