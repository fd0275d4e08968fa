import type { ResolvedStage } from "../config/types.ts";
import type { Change } from "../core/changes.ts";
import type { AttemptRow, ShardRow, StageRow } from "../core/rows.ts";
import { latestStep } from "./resume-point.ts";
import { nextTry } from "./retry.ts";
import { type Ending, specOf } from "./types.ts";
import type { World } from "./world.ts";

/** Ends an attempt for ever, frees what it held, and decides what becomes of its shard: done, again, or over. */
export function endAttempt(world: World, attempt: AttemptRow, told: Ending): void {
  const shard = world.shard(attempt.shardId);
  const stage = world.stage(shard.stageId);
  const ending = told.state === "SUCCEEDED" ? withOutputs(world, stage, shard, attempt, told) : told;
  const { next, changes } = afterEnding(world, stage, shard, attempt, ending);
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    attemptId: attempt.id,
    type: "attempt.ended",
    data: { state: ending.state, reason: ending.reason, cause: ending.cause, next },
    changes: [endOf(world, stage, attempt, ending), ...freed(world, attempt), ...changes],
  });
}

/** A success without all its outputs is a failure: nothing could go on from it. */
function withOutputs(
  world: World,
  stage: StageRow,
  shard: ShardRow,
  attempt: AttemptRow,
  told: Ending,
): Ending {
  const committed = new Set(world.artifactsOf(attempt.id).map((row) => row.kind));
  const wrong = answeredOtherwise(specOf(stage), attempt);
  if (wrong !== undefined) return { state: "FAILED", reason: "user_error", cause: "USER", message: wrong };
  const missing = specOf(stage).outputs.filter((kind) => !committed.has(kind));
  if (missing.length === 0) return told;
  const message = `shard ${shard.index} ended as a success without committing ${missing.join(", ")}`;
  return { state: "FAILED", reason: "crashed", cause: "BUG", message };
}

/**
 * Who answered by the worker's word (`answered` in its summary: by role, with the variable of its address) against what
 * the cache key counts on: outputs of a stand-in never stand under the key of a model.
 */
function answeredOtherwise({ standIns }: ResolvedStage, { result }: AttemptRow): string | undefined {
  const answered = result?.summary?.answered;
  if (standIns === undefined || answered === null || typeof answered !== "object") return undefined;
  for (const [role, told] of Object.entries(answered)) {
    const { variable, stand_in: standIn, name } = (told ?? {}) as Record<string, unknown>;
    if (typeof variable !== "string" || standIns.includes(variable) === (standIn === true)) continue;
    const wanted = standIns.includes(variable) ? "a stand-in" : "a model";
    return `${role}: ${standIn === true ? "the stand-in" : "the model"} ${String(name)} answered, the plan counts on ${wanted} for ${variable}`;
  }
  return undefined;
}

/** What an ended attempt looked like last goes into the log with its end. */
function endOf(world: World, stage: StageRow, attempt: AttemptRow, ending: Ending): Change {
  const { step, of, unit, stepAt, stepMs, phase, phaseAt, heartbeatAt, leaseUntil } = attempt;
  const last = { step, of, unit, stepAt, stepMs, phase, phaseAt, heartbeatAt, leaseUntil };
  return {
    table: "Attempt",
    id: attempt.id,
    // Of a run that only has to end nothing is asked but that.
    expect: {
      epoch: attempt.epoch,
      state: attempt.state,
      ...(world.isPlain(stage.runId) ? {} : { leaseUntil }),
    },
    set: {
      ...last,
      state: ending.state,
      reason: ending.reason,
      cause: ending.cause,
      message: ending.message ?? attempt.result?.message ?? null,
      endedAt: world.now,
    },
  };
}

function freed(world: World, attempt: AttemptRow): Change[] {
  return world.leasesOf(attempt.id).map(({ id }) => ({ table: "Lease", id, remove: true }));
}

function afterEnding(
  world: World,
  stage: StageRow,
  shard: ShardRow,
  attempt: AttemptRow,
  ending: Ending,
): { next: string; changes: Change[] } {
  const guard = { epoch: attempt.epoch, state: "RUNNING" as const };
  const shardIs = (set: Partial<ShardRow>): Change => ({ table: "Shard", id: shard.id, expect: guard, set });
  if (ending.state === "SUCCEEDED") {
    const { metrics = {}, summary = {} } = attempt.result ?? {};
    return { next: "succeeded", changes: [shardIs({ state: "SUCCEEDED", result: { metrics, summary } })] };
  }
  const siblingFailed = world.tallies.of(stage.id, "FAILED") > 0;
  if (stage.desired === "STOP" || siblingFailed) {
    return { next: "cancelled", changes: [shardIs({ state: "CANCELLED" })] };
  }
  const failure = {
    attempt: attempt.id,
    cause: ending.cause,
    began: attempt.startedAt !== null,
    step: latestStep(world, stage, shard, attempt.id),
  };
  const again = nextTry(shard, failure, specOf(stage).retry, world.now, world.policy.times);
  if (again) {
    return { next: "again", changes: [shardIs({ ...again, state: "PENDING" })] };
  }
  return { next: "failed", changes: [shardIs({ state: "FAILED" }), failing(stage, attempt, ending)] };
}

/** The stage keeps why its first shard failed; it ends when the others have. */
function failing(stage: StageRow, attempt: AttemptRow, ending: Ending): Change {
  const message = ending.message ?? attempt.result?.message ?? null;
  return {
    table: "Stage",
    id: stage.id,
    expect: { state: stage.state },
    set: { reason: ending.reason, cause: ending.cause, message },
  };
}
