import type { Change } from "../core/changes.ts";
import type { ShardState, StageRow } from "../core/rows.ts";
import { endStage } from "./end-stage.ts";
import { isTimedOut } from "./judge-attempt.ts";
import { mergeResults } from "./merge-results.ts";
import { readyStage } from "./ready-stage.ts";
import { requestStop } from "./stop.ts";
import { specOf } from "./types.ts";
import type { World } from "./world.ts";

/** Decides about one stage that has not ended, after its attempts and the stages it needs were decided. */
export function advanceStage(world: World, stage: StageRow): void {
  const stopping = stage.desired === "STOP";
  if (stage.state === "PENDING" && !stopping) {
    readyStage(world, stage);
    return;
  }
  if (stopping || world.tallies.of(stage.id, "FAILED") > 0) cancelShards(world, stage);
  else if (isTimedOut(world, stage)) failWaiting(world, stage);
  if (world.tallies.open(stage.id) === 0) finishStage(world, stage);
}

/** Nothing new begins; what runs is asked to stop. */
function cancelShards(world: World, stage: StageRow): void {
  for (const shard of world.shardsOf(stage.id)) {
    const live = world.liveAttemptOf(shard.id);
    if (live && live.state !== "STOPPING") requestStop(world, live, "cancelled");
  }
  if (world.tallies.of(stage.id, "PENDING") > 0) endWaiting(world, stage, "CANCELLED");
}

/** Out of time while waiting to try again. */
function failWaiting(world: World, stage: StageRow): void {
  if (world.tallies.of(stage.id, "PENDING") === 0) return;
  const seconds = (world.now.getTime() - (stage.startedAt?.getTime() ?? 0)) / 1000;
  const why = { reason: "timeout", cause: "USER", message: `not done after ${Math.round(seconds)} s` };
  endWaiting(world, stage, "FAILED", [
    { table: "Stage", id: stage.id, expect: { state: stage.state }, set: why },
  ]);
}

/** Ends all shards that wait, in one change. */
function endWaiting(
  world: World,
  stage: StageRow,
  state: Extract<ShardState, "CANCELLED" | "FAILED">,
  more: Change[] = [],
): void {
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    type: state === "FAILED" ? "shards.failed" : "shards.cancelled",
    data: { shards: world.tallies.of(stage.id, "PENDING") },
    changes: [{ table: "Shard", all: { stageId: stage.id, state: "PENDING" }, set: { state } }, ...more],
  });
}

function finishStage(world: World, stage: StageRow): void {
  const { tallies } = world;
  if (tallies.of(stage.id, "FAILED") > 0) {
    const { reason, cause, message } = world.stage(stage.id);
    endStage(world, stage, { state: "FAILED", reason: reason ?? "crashed", cause, message });
  } else if (tallies.of(stage.id, "CANCELLED") > 0 || world.isPlain(stage.runId)) {
    endStage(world, stage, { state: "CANCELLED", reason: "cancelled", cause: "OPERATOR" });
  } else {
    const result = mergeResults(world.shardsOf(stage.id), specOf(stage).merge);
    endStage(world, stage, { state: "SUCCEEDED", reason: "completed", result });
  }
}
