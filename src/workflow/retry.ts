import type { RetryBudgets } from "../config/types.ts";
import { sha256 } from "../core/hash.ts";
import type { ShardRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";

/** What the attempt that ended says about trying again. */
export interface Failure {
  attempt: string;
  cause: string | null;
  /** Its worker said something. */
  began: boolean;
  /** The latest step of which it committed a checkpoint. */
  step: number | null;
}

/** The shard's fields for another attempt, or null when the budget of this cause is spent. */
export type NextTry = Pick<
  ShardRow,
  "infraUsed" | "numericUsed" | "userUsed" | "stepBack" | "furthestStep" | "notBefore"
> | null;

/** More is no budget. */
const mostTries = 1_000;

/**
 * Budgets are kept by class of cause: infra (NODE, NETWORK, NPU, and capacity that ran out while it worked), numeric (each try
 * one checkpoint further back), user (USER, DATA, BUG). Only a stop that a person asked
 * for (OPERATOR), and waiting for capacity, cost nothing: an attempt that never began. A checkpoint later than any before gives the infra budget back: a run that moves on is never ended by the number
 * of nodes that died under it, and one that does not move on always is.
 */
export function nextTry(
  shard: ShardRow,
  failure: Failure,
  budgets: RetryBudgets,
  now: Date,
  times: Times,
): NextTry {
  const { step } = failure;
  const further = step !== null && (shard.furthestStep == null || BigInt(step) > shard.furthestStep);
  const same = {
    infraUsed: further ? 0 : shard.infraUsed,
    numericUsed: shard.numericUsed,
    userUsed: shard.userUsed,
    stepBack: further ? 0 : shard.stepBack,
    furthestStep: further ? BigInt(step) : shard.furthestStep,
    notBefore: null,
  };
  const later = (tries: number) => new Date(now.getTime() + backoffMs(tries, failure.attempt, times));
  const within = (used: number, budget: number) => used <= Math.min(budget, mostTries);
  switch (failure.cause) {
    case "NUMERIC": {
      const numericUsed = shard.numericUsed + 1;
      const stepBack = same.stepBack + 1;
      if (!within(numericUsed, budgets.numeric)) return null;
      return { ...same, numericUsed, stepBack, notBefore: later(1) };
    }
    case "USER":
    case "DATA":
    case "BUG": {
      const userUsed = shard.userUsed + 1;
      return within(userUsed, budgets.user) ? { ...same, userUsed, notBefore: later(userUsed) } : null;
    }
    default: {
      const waited = failure.cause === "CAPACITY" && !failure.began;
      if (waited || failure.cause === "OPERATOR") return { ...same, notBefore: later(1) };
      const infraUsed = same.infraUsed + 1;
      return within(infraUsed, budgets.infra) ? { ...same, infraUsed, notBefore: later(infraUsed) } : null;
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
