import type { RetryBudgets } from "../config/types.ts";
import { sha256 } from "../core/hash.ts";
import type { ShardRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";

/** What the attempt that ended says about trying again. */
export interface Failure {
  attempt: string;
  cause: string | null;
  /** It committed a checkpoint. */
  progressed: boolean;
  /** It committed one later than all that were there before. */
  furthest: boolean;
}

/** The shard's fields for another attempt, or null when the budget of this cause is spent. */
export type NextTry = Pick<
  ShardRow,
  "infraUsed" | "numericUsed" | "userUsed" | "stepBack" | "notBefore"
> | null;

/**
 * Budgets are kept by class of cause: infra (NODE, NETWORK, NPU), numeric (each try one checkpoint further back), user
 * (USER, DATA, BUG). CAPACITY and OPERATOR cost nothing. A new checkpoint gives the infra budget back: a run that moves
 * on is never ended by the number of nodes that died under it.
 */
export function nextTry(
  shard: ShardRow,
  failure: Failure,
  budgets: RetryBudgets,
  now: Date,
  times: Times,
): NextTry {
  const same = {
    infraUsed: failure.progressed ? 0 : shard.infraUsed,
    numericUsed: shard.numericUsed,
    userUsed: shard.userUsed,
    stepBack: failure.furthest ? 0 : shard.stepBack,
    notBefore: null,
  };
  const later = (tries: number) => new Date(now.getTime() + backoffMs(tries, failure.attempt, times));
  switch (failure.cause) {
    case "NODE":
    case "NETWORK":
    case "NPU": {
      const infraUsed = same.infraUsed + 1;
      return infraUsed > budgets.infra ? null : { ...same, infraUsed, notBefore: later(infraUsed) };
    }
    case "NUMERIC": {
      const numericUsed = shard.numericUsed + 1;
      const stepBack = same.stepBack + 1;
      return numericUsed > budgets.numeric ? null : { ...same, numericUsed, stepBack, notBefore: later(1) };
    }
    case "CAPACITY":
    case "OPERATOR":
      return { ...same, notBefore: later(1) };
    default: {
      const userUsed = shard.userUsed + 1;
      return userUsed > budgets.user ? null : { ...same, userUsed, notBefore: later(userUsed) };
    }
  }
}

/**
 * Doubles with every try up to a limit; the half to the whole of it, drawn from the attempt's id, so that shards
 * that fell together do not come back together.
 */
export function backoffMs(tries: number, attempt: string, times: Times): number {
  const whole = Math.min(times.backoffLimit, times.backoff * 2 ** (tries - 1));
  const draw = Number.parseInt(sha256(attempt).slice(0, 8), 16) / 0x1_0000_0000;
  return Math.round(whole * (0.5 + draw / 2));
}
