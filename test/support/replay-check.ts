import { expect } from "vitest";
import type { Database } from "../../src/records/database.ts";
import { replayFaults } from "./replay-faults.ts";

/** Invariant 5: replaying the event log gives the rows. */
export async function expectReplayGivesRows(db: Database): Promise<void> {
  expect(await replayFaults(db)).toEqual([]);
}
