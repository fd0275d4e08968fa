import type { Log } from "../core/log.ts";
import type { OpenRows } from "../core/rows.ts";
import { applyActions, type Commit } from "./apply.ts";
import { decide } from "./decide.ts";
import { transactionsOf } from "./transactions.ts";
import type { CacheHit, Decision, Policy } from "./types.ts";

/** What the reconciler needs of the records. */
export interface ReconcilePorts {
  /** All rows as of one moment of the database's clock; undefined when no run has anything left to do. */
  read(): Promise<(OpenRows & { now: Date }) | undefined>;
  lookUpCache(keys: readonly string[]): Promise<ReadonlyMap<string, CacheHit | null>>;
  commit: Commit;
}

/** Looks that meet rows that others moved meanwhile, before those others get a turn. */
const mostRounds = 10;

/**
 * Reads rows, decides, applies; again only when rows moved meanwhile.
 * @param since since when agents can be heard
 * @returns when to look again at the latest (a back-off ends), or null
 */
export async function reconcile(
  ports: ReconcilePorts,
  policy: Policy,
  since: Date,
  log: Log,
): Promise<Date | null> {
  for (let round = 0; round < mostRounds; round++) {
    const rows = await ports.read();
    if (!rows) return null;
    const decision = await decideWithCache(ports, rows, policy, since);
    if (decision.actions.length === 0) return decision.wakeAt;
    const stale = await applyActions(transactionsOf(decision.actions, rows.leases), ports.commit);
    for (const { happening } of decision.actions) {
      if (stale.has(happening.runId)) continue;
      const { type, runId, stageId, attemptId, data } = happening;
      log.info(type, { run: runId, stage: stageId, attempt: attemptId, data });
    }
    // One look decides all there is: what it leads to was decided with it.
    if (stale.size === 0) return decision.wakeAt;
    log.info("rows moved while deciding; decided again", Object.fromEntries(stale));
  }
  log.warn("rows keep moving", { rounds: mostRounds });
  return new Date(0);
}

/** Cache keys become known while deciding: what was not looked up yet is, and the same rows are decided again. */
async function decideWithCache(
  ports: ReconcilePorts,
  rows: OpenRows & { now: Date },
  policy: Policy,
  since: Date,
): Promise<Decision> {
  const cache = new Map<string, CacheHit | null>();
  for (;;) {
    const decision = decide(rows, { cache, since }, rows.now, policy);
    const unknown = decision.lookups.filter((key) => !cache.has(key));
    if (unknown.length === 0) return decision;
    for (const [key, hit] of await ports.lookUpCache(unknown)) cache.set(key, hit);
  }
}
