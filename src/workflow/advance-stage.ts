import type { Change } from "../core/changes.ts";
import type { ShardRow, StageRow } from "../core/rows.ts";
import { endStage, mergeResults } from "./end-stage.ts";
import { isTimedOut } from "./judge-attempt.ts";
import { readyStage } from "./ready-stage.ts";
import { isShardEnded } from "./states.ts";
import { requestStop } from "./stop.ts";
import type { World } from "./world.ts";

/** Decides about one stage that has not ended, after its attempts and the stages it needs were decided. */
export function advanceStage(world: World, stage: StageRow): void {
  const stopping = stage.desired === "STOP";
  if (stage.state === "PENDING" && !stopping) {
    readyStage(world, stage);
    return;
  }
  const failed = world.shardsOf(stage.id).some((shard) => shard.state === "FAILED");
  if (stopping || failed) cancelShards(world, stage);
  else if (isTimedOut(world, stage)) failWaiting(world, stage);
  const shards = world.shardsOf(stage.id);
  if (shards.every(isShardEnded)) finishStage(world, stage, shards);
}

/** Nothing new begins; what runs is asked to stop. */
function cancelShards(world: World, stage: StageRow): void {
  for (const shard of world.shardsOf(stage.id)) {
    if (isShardEnded(shard)) continue;
    const live = world.liveAttemptOf(shard.id);
    if (live) {
      if (live.state !== "STOPPING") requestStop(world, live, "cancelled");
    } else {
      setShard(world, stage, shard, "CANCELLED");
    }
  }
}

/** Out of time while waiting to try again. */
function failWaiting(world: World, stage: StageRow): void {
  const seconds = (world.now.getTime() - (stage.startedAt?.getTime() ?? 0)) / 1000;
  for (const shard of world.shardsOf(stage.id)) {
    if (isShardEnded(shard) || world.liveAttemptOf(shard.id)) continue;
    const why = { reason: "timeout", cause: "USER", message: `not done after ${Math.round(seconds)} s` };
    setShard(world, stage, shard, "FAILED", [
      { table: "Stage", id: stage.id, expect: { state: stage.state }, set: why },
    ]);
  }
}

function setShard(
  world: World,
  stage: StageRow,
  shard: ShardRow,
  state: "CANCELLED" | "FAILED",
  more: Change[] = [],
): void {
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    type: `shard.${state.toLowerCase()}`,
    data: { shard: shard.index },
    changes: [
      { table: "Shard", id: shard.id, expect: { state: shard.state, epoch: shard.epoch }, set: { state } },
      ...more,
    ],
  });
}

function finishStage(world: World, stage: StageRow, shards: readonly ShardRow[]): void {
  if (shards.every((shard) => shard.state === "SUCCEEDED")) {
    endStage(world, stage, { state: "SUCCEEDED", reason: "completed", result: mergeResults(shards) });
  } else if (shards.some((shard) => shard.state === "FAILED")) {
    const { reason, cause, message } = world.stage(stage.id);
    endStage(world, stage, { state: "FAILED", reason: reason ?? "crashed", cause, message });
  } else {
    endStage(world, stage, { state: "CANCELLED", reason: "cancelled", cause: "OPERATOR" });
  }
}
