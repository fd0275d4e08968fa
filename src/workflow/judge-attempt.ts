import type { AttemptRow, NodeRow, StageRow } from "../core/rows.ts";
import { endAttempt } from "./end-attempt.ts";
import { nodeOf, requestStop } from "./stop.ts";
import { specOf } from "./types.ts";
import type { World } from "./world.ts";

/** Decides about one live attempt: ended, to be stopped, unreachable, given up, or left alone. */
export function judgeAttempt(world: World, attempt: AttemptRow): void {
  const stage = world.stage(world.shard(attempt.shardId).stageId);
  if (attempt.exitedAt) {
    endAttempt(world, attempt, world.policy.endingOf(attempt));
    return;
  }
  const why = attempt.state === "STOPPING" ? undefined : reasonToStop(world, attempt, stage);
  if (why) requestStop(world, attempt, why);
  else judgeSilence(world, attempt, stage);
}

function reasonToStop(world: World, attempt: AttemptRow, stage: StageRow): string | undefined {
  if (stage.desired === "STOP") return "cancelled";
  if (isTimedOut(world, stage)) return "timeout";
  if (isStalled(world, attempt)) return "stalled";
  return undefined;
}

/** The stage's `timeout` counts from its first attempt. */
export function isTimedOut(world: World, stage: StageRow): boolean {
  const { timeoutSeconds } = specOf(stage);
  return timeoutSeconds !== null && world.isPast(stage.startedAt, timeoutSeconds * 1000);
}

/** Alive, in the training phase, and no step for ten times as long as a step takes: a dead collective looks like this. */
function isStalled(world: World, attempt: AttemptRow): boolean {
  if (attempt.state !== "RUNNING" || attempt.phase !== "training") return false;
  const since = Math.max(attempt.stepAt?.getTime() ?? 0, attempt.phaseAt?.getTime() ?? 0);
  return world.isPast(new Date(since), Math.max(world.policy.times.stall, 10 * (attempt.stepMs ?? 0)));
}

/**
 * Silence is judged by the lease. Within `grace` of its end nothing is given up, because the worker may well go on;
 * after it the next epoch fences the old one.
 */
function judgeSilence(world: World, attempt: AttemptRow, stage: StageRow): void {
  const { times } = world.policy;
  const heard = Math.max(
    attempt.leaseUntil?.getTime() ?? 0,
    world.observations.since.getTime() + times.lease,
  );
  const silentFrom = new Date(heard);
  if (!world.isPast(silentFrom)) return;
  if (attempt.state === "DISPATCHING") {
    giveUpDispatch(world, attempt);
  } else if (attempt.state === "RUNNING") {
    loseSight(world, attempt, stage);
  } else if (world.isPast(silentFrom, times.grace)) {
    const message = `not heard of since ${attempt.heartbeatAt?.toISOString() ?? "its dispatch"}`;
    const asked = attempt.stopReason === "cancelled";
    endAttempt(
      world,
      attempt,
      asked
        ? { state: "STOPPED", reason: "cancelled", cause: "OPERATOR", message }
        : { state: "LOST", reason: "lost", cause: "NODE", message },
    );
  }
}

/** Nobody began it. On a node or an engine that is away that costs no budget: it waits for it, not because of it. */
function giveUpDispatch(world: World, attempt: AttemptRow): void {
  const node = nodeOf(world, attempt);
  const away = isSilent(world, node) || !node?.engines.includes(attempt.engine);
  endAttempt(world, attempt, {
    state: "LOST",
    reason: "dispatch_failed",
    cause: away ? "CAPACITY" : "NODE",
    message: `node ${attempt.nodeId} did not start it`,
  });
}

function loseSight(world: World, attempt: AttemptRow, stage: StageRow): void {
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    attemptId: attempt.id,
    type: "attempt.unreachable",
    changes: [
      {
        table: "Attempt",
        id: attempt.id,
        expect: { state: "RUNNING", leaseUntil: attempt.leaseUntil },
        set: { state: "UNREACHABLE" },
      },
    ],
  });
}

export function isSilent(world: World, node: NodeRow | undefined): boolean {
  return node === undefined || world.isPast(node.heartbeatAt, world.policy.times.nodeSilence);
}
