import type { Happening } from "../core/changes.ts";
import type { Action, Bell } from "./types.ts";

/** Writes what was decided in one transaction; or, when something moved meanwhile, nothing, and says what that was. */
export type Commit = (
  happenings: readonly Happening[],
  bells: readonly Bell[],
) => Promise<string | undefined>;

/**
 * Applies transactions in order. Every change is guarded by the state and epoch it was decided from, so that deciding
 * twice, or beside another writer, is harmless.
 * @returns runs whose rows had moved, and what: to be decided again
 */
export async function applyActions(
  transactions: readonly (readonly Action[])[],
  commit: Commit,
): Promise<ReadonlyMap<string, string>> {
  const stale = new Map<string, string>();
  for (const actions of transactions) {
    const moved = await commit(
      actions.map((action) => action.happening),
      actions.flatMap((action) => action.bells),
    );
    if (moved === undefined) continue;
    for (const { happening } of actions) stale.set(happening.runId, moved);
  }
  return stale;
}
