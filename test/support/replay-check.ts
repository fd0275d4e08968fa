import { expect } from "vitest";
import type { Database } from "../../src/records/database.ts";
import { replayEvents } from "../../src/records/replay.ts";

/** Signs of life are not in the log while an attempt is live; its end repeats them. */
const signsOfLife = ["heartbeatAt", "leaseUntil", "step", "of", "unit", "stepAt", "stepMs"];

/** Invariant 5: replaying the event log gives the rows. */
export async function expectReplayGivesRows(db: Database): Promise<void> {
  const told = replayEvents(await db.event.findMany({ orderBy: { id: "asc" } }));
  const attempts = await db.attempt.findMany({ omit: { acknowledged: true } });
  const live = new Set(attempts.filter((row) => row.endedAt === null).map((row) => row.id));
  const attempt = (row: { id: string }) => (live.has(row.id) ? without(row, signsOfLife) : row);
  expect(byId(told.Stage.values())).toEqual(byId(await db.stage.findMany({ omit: { spec: true } })));
  expect(byId(told.Shard.values())).toEqual(byId(await db.shard.findMany()));
  expect(byId([...told.Attempt.values()].map(attempt))).toEqual(byId(attempts.map(attempt)));
  expect(byId(told.Artifact.values())).toEqual(byId(await db.artifact.findMany()));
  expect(byId(told.Gate.values())).toEqual(byId(await db.gate.findMany()));
  expect(byId(told.Lease.values())).toEqual(byId(await db.lease.findMany()));
}

function byId(rows: Iterable<{ id: string }>): Record<string, object> {
  return Object.fromEntries([...rows].map((row) => [row.id, row]));
}

function without(row: { id: string }, names: readonly string[]): { id: string } {
  return { id: row.id, ...Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name))) };
}
