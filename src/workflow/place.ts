import type { Change } from "../core/changes.ts";
import { attemptId } from "../core/ids.ts";
import type { AttemptRow, LeaseRow, ShardRow, StageRow } from "../core/rows.ts";
import { endStage } from "./end-stage.ts";
import { type Place, Places } from "./places.ts";
import { startGone, waitFor, workOf } from "./ready-stage.ts";
import { resumePoint } from "./resume-point.ts";
import { isStageEnded, wantsAttempt } from "./states.ts";
import { pipelineOf, specOf, type Within } from "./types.ts";
import type { World } from "./world.ts";

/**
 * Opens attempts for the shards that wait, as far as there is room: runs of higher priority first, then the stages that
 * have waited longest, at most `concurrency` shards of a stage at once.
 */
export function placeAttempts(world: World, within: Within): void {
  const waiting = waitingShards(world);
  if (waiting.length === 0) return;
  const places = new Places(world);
  for (const one of waiting) within(one.stage.runId, () => placeAttempt(world, places, one));
}

function placeAttempt(world: World, places: Places, { shard, stage }: Waiting): void {
  const limit = specOf(stage).concurrency ?? null;
  if (limit !== null && world.tallies.of(stage.id, "RUNNING") >= limit) return;
  const now = world.stage(stage.id);
  if (isStageEnded(now) || now.state === "PENDING") return;
  const faster = now.state === "READY" && now.cacheKey !== null ? begun(world, now, now.cacheKey) : undefined;
  if (faster) {
    waitFor(world, now, faster);
    return;
  }
  if (stage.startFrom !== null && resumePoint(world, stage, shard) === null) {
    const message = startGone(stage);
    endStage(world, stage, { state: "FAILED", reason: "data_error", cause: "DATA", message });
    return;
  }
  const place = places.take(stage);
  if (place) openAttempt(world, world.stage(stage.id), shard, place);
}

/** Another stage of the same cache key that got a place first. */
function begun(world: World, stage: StageRow, key: string): StageRow | undefined {
  const other = workOf(world, stage, key);
  return other?.state === "RUNNING" ? other : undefined;
}

interface Waiting {
  shard: ShardRow;
  stage: StageRow;
}

function waitingShards(world: World): Waiting[] {
  const priorities = prioritiesOf(world);
  const waiting: Waiting[] = [];
  for (const shard of world.tables.Shard.values()) {
    if (!wantsAttempt(shard, world.now, world.policy.times)) continue;
    const stage = world.stage(shard.stageId);
    if (world.isAside(stage.runId)) continue;
    if ((stage.state === "READY" || stage.state === "RUNNING") && stage.desired === "RUN")
      waiting.push({ shard, stage });
  }
  return waiting.sort((a, b) => inTurn(priorities, a, b));
}

/** Of each stage: of its run, or of the run that waits for its outputs, where that is higher. */
function prioritiesOf(world: World): (stage: StageRow) => number {
  const lent = new Map<string, number>();
  for (const { state, waitsFor, runId } of world.tables.Stage.values()) {
    if (state !== "PENDING" || waitsFor == null || world.isAside(runId)) continue;
    lent.set(waitsFor, Math.max(lent.get(waitsFor) ?? Number.NEGATIVE_INFINITY, world.run(runId).priority));
  }
  return ({ id, runId }) => Math.max(world.run(runId).priority, lent.get(id) ?? Number.NEGATIVE_INFINITY);
}

function inTurn(priorityOf: (stage: StageRow) => number, a: Waiting, b: Waiting): number {
  return (
    priorityOf(b.stage) - priorityOf(a.stage) ||
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
