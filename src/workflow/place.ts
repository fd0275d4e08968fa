import type { Change } from "../core/changes.ts";
import { attemptId } from "../core/ids.ts";
import type { AttemptRow, LeaseRow, NodeRow, ShardRow, StageRow } from "../core/rows.ts";
import { isSilent } from "./judge-attempt.ts";
import { resumePoint } from "./resume-point.ts";
import { wantsAttempt } from "./states.ts";
import { pipelineOf, specOf } from "./types.ts";
import type { World } from "./world.ts";

interface Place {
  node: NodeRow;
  devices: number[];
}

/** Opens attempts for the shards that wait, oldest stages first, as far as there are free slots or NPUs. */
export function placeAttempts(world: World): void {
  const waiting = [...world.tables.Shard.values()]
    .filter((shard) => wantsAttempt(shard, world.now))
    .map((shard) => ({ shard, stage: world.stage(shard.stageId) }))
    .filter(({ stage }) => (stage.state === "READY" || stage.state === "RUNNING") && stage.desired === "RUN")
    .sort(
      (a, b) =>
        a.stage.createdAt.getTime() - b.stage.createdAt.getTime() ||
        a.stage.position - b.stage.position ||
        a.shard.index - b.shard.index,
    );
  for (const { shard, stage } of waiting) {
    const place = findPlace(world, stage);
    if (place) openAttempt(world, world.stage(stage.id), shard, place);
  }
}

/** A node that speaks, has the engine and enough free devices; one that failed lately only when no other will do. */
function findPlace(world: World, stage: StageRow): Place | undefined {
  const { resources } = specOf(stage);
  // One node holds an attempt; a gang over several is the task of engines that know gangs.
  if (resources.nodes > 1) return undefined;
  const engine = pipelineOf(world.run(stage.runId)).cluster.engine;
  const places = world.rows.nodes
    .filter((node) => node.engines.includes(engine) && !isSilent(world, node))
    .map((node) => ({ node, devices: freeDevices(world, node, resources.npus) }))
    .filter((place) => place.devices.length > 0);
  const trusted = places.filter(({ node }) => !world.rows.faults.some((fault) => fault.nodeId === node.id));
  return (trusted.length > 0 ? trusted : places)[0];
}

/** `npus` free NPUs, or one of the slots for work without; empty when there are not enough. */
function freeDevices(world: World, node: NodeRow, npus: number): number[] {
  const taken = new Set(
    [...world.tables.Lease.values()].filter((lease) => lease.nodeId === node.id).map((lease) => lease.device),
  );
  const all =
    npus > 0
      ? Array.from({ length: node.npus }, (_, i) => i)
      : Array.from({ length: node.slots }, (_, i) => -1 - i);
  const free = all.filter((device) => !taken.has(device));
  const wanted = Math.max(1, npus);
  return free.length >= wanted ? free.slice(0, wanted) : [];
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
