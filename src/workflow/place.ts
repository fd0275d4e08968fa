import type { Change } from "../core/changes.ts";
import { attemptId } from "../core/ids.ts";
import type { AttemptRow, LeaseRow, ShardRow, StageRow } from "../core/rows.ts";
import { endStage } from "./end-stage.ts";
import { type Place, Places } from "./places.ts";
import { startGone } from "./ready-stage.ts";
import { resumePoint } from "./resume-point.ts";
import { isStageEnded, wantsAttempt } from "./states.ts";
import { pipelineOf, specOf } from "./types.ts";
import type { World } from "./world.ts";

/**
 * Opens attempts for the shards that wait, as far as there is room: runs of higher priority first, then the stages that
 * have waited longest, at most `concurrency` shards of a stage at once.
 */
export function placeAttempts(world: World): void {
  const waiting = waitingShards(world);
  if (waiting.length === 0) return;
  const places = new Places(world);
  for (const { shard, stage } of waiting) {
    const limit = specOf(stage).concurrency;
    if (limit !== null && world.tallies.of(stage.id, "RUNNING") >= limit) continue;
    if (isStageEnded(world.stage(stage.id))) continue;
    if (stage.startFrom !== null && resumePoint(world, stage, shard) === null) {
      const message = startGone(stage);
      endStage(world, stage, { state: "FAILED", reason: "data_error", cause: "DATA", message });
      continue;
    }
    const place = places.take(stage);
    if (place) openAttempt(world, world.stage(stage.id), shard, place);
  }
}

interface Waiting {
  shard: ShardRow;
  stage: StageRow;
}

function waitingShards(world: World): Waiting[] {
  const waiting: Waiting[] = [];
  for (const shard of world.tables.Shard.values()) {
    if (!wantsAttempt(shard, world.now)) continue;
    const stage = world.stage(shard.stageId);
    if ((stage.state === "READY" || stage.state === "RUNNING") && stage.desired === "RUN")
      waiting.push({ shard, stage });
  }
  return waiting.sort((a, b) => inTurn(world, a, b));
}

function inTurn(world: World, a: Waiting, b: Waiting): number {
  return (
    world.run(b.stage.runId).priority - world.run(a.stage.runId).priority ||
    a.stage.createdAt.getTime() - b.stage.createdAt.getTime() ||
    a.stage.position - b.stage.position ||
    a.shard.index - b.shard.index
  );
}

function openAttempt(world: World, stage: StageRow, shard: ShardRow, { node, devices }: Place): void {
  const epoch = shard.epoch + 1;
  const id = attemptId(shard.id, epoch);
  const resume = resumePoint(world, stage, shard);
  const attempt = newAttempt(world, stage, shard, {
    id,
    epoch,
    nodeId: node.id,
    resumeFrom: resume?.id ?? null,
  });
  const leases = devices.map((device): LeaseRow => {
    return { id: `${id}-d${device}`, nodeId: node.id, device, attemptId: id, createdAt: world.now };
  });
  const changes: Change[] = [
    {
      table: "Shard",
      id: shard.id,
      expect: { epoch: shard.epoch, state: "PENDING" },
      set: { epoch, state: "RUNNING", notBefore: null },
    },
    { table: "Attempt", insert: attempt },
    ...leases.map((insert): Change => ({ table: "Lease", insert })),
    {
      table: "Stage",
      id: stage.id,
      expect: { state: ["READY", "RUNNING"], desired: "RUN" },
      set: { state: "RUNNING", startedAt: stage.startedAt ?? world.now },
    },
  ];
  const data = { node: node.id, devices, resumeStep: resume?.step ?? null };
  world.record(
    { runId: stage.runId, stageId: stage.id, attemptId: id, type: "attempt.opened", data, changes },
    [{ topic: world.policy.nodeQueue(node.id), key: id }],
  );
}

function newAttempt(
  world: World,
  stage: StageRow,
  shard: ShardRow,
  given: Pick<AttemptRow, "id" | "epoch" | "nodeId" | "resumeFrom">,
): AttemptRow {
  return {
    ...given,
    shardId: shard.id,
    state: "DISPATCHING",
    engine: pipelineOf(world.run(stage.runId)).cluster.engine,
    reason: null,
    cause: null,
    message: null,
    exitCode: null,
    signal: null,
    phase: null,
    phaseAt: null,
    step: null,
    of: null,
    unit: null,
    stepAt: null,
    stepMs: null,
    result: null,
    dispatchedAt: world.now,
    startedAt: null,
    heartbeatAt: null,
    leaseUntil: new Date(world.now.getTime() + world.policy.times.dispatch),
    stopAt: null,
    stopReason: null,
    exitedAt: null,
    endedAt: null,
  };
}
