import type { Happening } from "../core/changes.ts";
import type { Action, Bell } from "./types.ts";

/** Writes what was decided: all of it in one transaction, or, when something moved meanwhile, nothing (false). */
export type Commit = (happenings: readonly Happening[], bells: readonly Bell[]) => Promise<boolean>;

export interface Applied {
  /** Runs whose actions were committed. */
  committed: number;
  /** Runs whose rows had moved: to be decided again. */
  stale: string[];
}

/**
 * Applies actions, one transaction a run, in the order they were decided. Every change is guarded by the state and
 * epoch it was decided from, so that deciding twice, or beside another writer, is harmless.
 */
export async function applyActions(actions: readonly Action[], commit: Commit): Promise<Applied> {
  const byRun = new Map<string, Action[]>();
  for (const action of actions) {
    const { runId } = action.happening;
    byRun.set(runId, [...(byRun.get(runId) ?? []), action]);
  }
  const applied: Applied = { committed: 0, stale: [] };
  for (const [runId, ofRun] of byRun) {
    const done = await commit(
      ofRun.map((action) => action.happening),
      ofRun.flatMap((action) => action.bells),
    );
    if (done) applied.committed++;
    else applied.stale.push(runId);
  }
  return applied;
}
