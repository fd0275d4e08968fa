import { type AttemptRow, liveStates, type ShardRow, type StageRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";

export function isLive(attempt: Pick<AttemptRow, "state">): boolean {
  return liveStates.includes(attempt.state);
}

export function isStageEnded(stage: Pick<StageRow, "state">): boolean {
  return hasOutputs(stage) || hasFailed(stage);
}

/** Its artifacts are committed: its own, or those of the stage it was cached from. */
export function hasOutputs(stage: Pick<StageRow, "state">): boolean {
  return stage.state === "SUCCEEDED" || stage.state === "SKIPPED";
}

/** It ended without outputs. */
export function hasFailed(stage: Pick<StageRow, "state">): boolean {
  return stage.state === "FAILED" || stage.state === "CANCELLED";
}

export function isShardEnded(shard: Pick<ShardRow, "state">): boolean {
  return shard.state === "SUCCEEDED" || shard.state === "FAILED" || shard.state === "CANCELLED";
}

/**
 * It waits for an attempt: none is live (a shard with a live one is RUNNING), and its back-off is over, or so long that
 * another clock must have set it.
 */
export function wantsAttempt(
  { state, notBefore }: Pick<ShardRow, "state" | "notBefore">,
  now: Date,
  { backoffLimit }: Pick<Times, "backoffLimit">,
): boolean {
  if (state !== "PENDING") return false;
  if (notBefore === null) return true;
  const left = notBefore.getTime() - now.getTime();
  return !(left > 0 && left <= backoffLimit);
}
