import { isDeepStrictEqual } from "node:util";
import type { Database } from "../../src/records/database.ts";
import { replayEvents } from "../../src/records/replay.ts";

/** Signs of life are not in the log while an attempt is live; its end repeats them. */
const signsOfLife = ["heartbeatAt", "leaseUntil", "step", "of", "unit", "stepAt", "stepMs"];

interface Row {
  id: string;
}

/** Invariant 5: where the rows differ from what the event log, replayed, gives. Empty when they do not. */
export async function replayFaults(db: Database): Promise<string[]> {
  const told = replayEvents(await db.event.findMany({ orderBy: { id: "asc" } }));
  const attempts = await db.attempt.findMany({ omit: { acknowledged: true, instance: true } });
  const live = new Set(attempts.filter((row) => row.endedAt === null).map((row) => row.id));
  const attempt = (row: Row) => (live.has(row.id) ? without(row, signsOfLife) : row);
  return [
    ...differences("Stage", told.Stage.values(), await db.stage.findMany({ omit: { spec: true } })),
    ...differences("Shard", told.Shard.values(), await db.shard.findMany()),
    ...differences("Attempt", [...told.Attempt.values()].map(attempt), attempts.map(attempt)),
    ...differences("Artifact", told.Artifact.values(), await db.artifact.findMany()),
    ...differences("Gate", told.Gate.values(), await db.gate.findMany()),
    ...differences("Lease", told.Lease.values(), await db.lease.findMany()),
  ];
}

/** What two sets of rows do not agree on, field by field. */
export function differences(table: string, told: Iterable<Row>, seen: Iterable<Row>): string[] {
  const expected = byId(told);
  const actual = byId(seen);
  return [...new Set([...expected.keys(), ...actual.keys()])].flatMap((id) => {
    const [one, other] = [expected.get(id), actual.get(id)];
    if (!one || !other) return [`${table} ${id} is ${one ? "only in the log" : "not in the log"}`];
    return [...new Set([...Object.keys(one), ...Object.keys(other)])].flatMap((field) => {
      const [a, b] = [one, other].map((row) => (row as unknown as Record<string, unknown>)[field]);
      return isDeepStrictEqual(a, b) ? [] : [`${table} ${id}: ${field} is ${text(b)}, in the log ${text(a)}`];
    });
  });
}

function byId(rows: Iterable<Row>): Map<string, Row> {
  return new Map([...rows].map((row) => [row.id, row]));
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner));
}

function without(row: Row, names: readonly string[]): Row {
  return { id: row.id, ...Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name))) };
}
