import type { ResolvedInput } from "../config/types.ts";
import { cacheKey, type HashedInput } from "../core/cache-key.ts";
import type { StageRow } from "../core/rows.ts";
import { measured } from "../core/text.ts";
import { endStage } from "./end-stage.ts";
import { failedGate, gatesMeasured } from "./gates.ts";
import { hasFailed, hasOutputs } from "./states.ts";
import { pipelineOf, specOf } from "./types.ts";
import type { World } from "./world.ts";

/**
 * A waiting stage: cancelled when a stage or gate before it failed; taken from the cache when its outputs exist; ready
 * when every stage it needs has ended well, every gate there held, and every input is a committed artifact.
 */
export function readyStage(world: World, stage: StageRow): void {
  const needs = specOf(stage).needs.map((name) => needed(world, stage, name));
  const [why] = needs.flatMap((need) => obstacle(world, need) ?? []);
  if (why) {
    endStage(world, stage, { state: "CANCELLED", cause: "DATA", ...why });
    return;
  }
  if (!needs.every((need) => hasOutputs(need) && gatesMeasured(world, need))) return;
  const inputs = hashedInputs(world, stage);
  if (typeof inputs === "string") {
    endStage(world, stage, { state: "FAILED", reason: "data_error", cause: "DATA", message: inputs });
    return;
  }
  const start = stage.startFrom === null ? undefined : world.tables.Artifact.get(stage.startFrom);
  if (stage.startFrom !== null && !start) {
    endStage(world, stage, {
      state: "FAILED",
      reason: "data_error",
      cause: "DATA",
      message: startGone(stage),
    });
    return;
  }
  const { seed } = pipelineOf(world.run(stage.runId));
  const { codeHash } = stage;
  const key = cacheKey(specOf(stage), { seed, codeHash, inputs, startFrom: start?.sha256 });
  const hit = stage.fresh ? null : world.observations.cache.get(key);
  if (hit instanceof Error) throw hit;
  const other = hit ? undefined : workOf(world, stage, key);
  if (hit === undefined) {
    world.lookups.add(key);
  } else if (other) {
    if (stage.waitsFor !== other.id) waitFor(world, stage, other);
  } else if (hit) {
    for (const artifact of hit.artifacts) world.learn(artifact);
    endStage(world, stage, {
      state: "SKIPPED",
      reason: "completed",
      cacheKey: key,
      cachedFrom: hit.stageId,
      waitsFor: null,
      result: hit.result,
    });
  } else {
    world.record({
      runId: stage.runId,
      stageId: stage.id,
      type: "stage.ready",
      data: { cacheKey: key },
      changes: [
        {
          table: "Stage",
          id: stage.id,
          expect: { state: "PENDING", desired: "RUN" },
          set: { state: "READY", cacheKey: key, waitsFor: null },
        },
      ],
    });
  }
}

/** @throws Error for one that is not there, or not before this one: it would be waited for, for ever */
function needed(world: World, stage: StageRow, name: string): StageRow {
  const need = world.currentStage(stage.runId, name);
  if (!need) throw new Error(`stage ${stage.name} needs ${name}, which this run does not have`);
  if (need.position >= stage.position)
    throw new Error(`stage ${stage.name} needs ${name}, which does not come before it`);
  return need;
}

/**
 * Another stage, of this or another run, that works on the same outputs and can: its end is waited for. Not one that is to
 * stop, whose run is aside, or that no node could hold now. Only a stage that has begun to wait for a place, or has one, is
 * waited for, and it waits for no other: so nothing waits in a circle.
 */
export function workOf(world: World, stage: StageRow, key: string): StageRow | undefined {
  if (stage.fresh) return undefined;
  const others = world.stagesOfKey(key).filter((other) => {
    if (other.id === stage.id || other.desired === "STOP" || world.isAside(other.runId)) return false;
    if (world.moved.has(other.id)) return hasOutputs(other);
    if (other.state === "READY") return world.canPlace(other);
    return other.state === "RUNNING" && (hasLive(world, other) || world.canPlace(other));
  });
  // The one it waits for already, as long as it can.
  return (
    others.find(({ id }) => id === stage.waitsFor) ??
    others.find(({ state }) => state !== "READY") ??
    others[0]
  );
}

function hasLive(world: World, stage: StageRow): boolean {
  return world.shardsOf(stage.id).some(({ id }) => world.liveAttemptOf(id) !== undefined);
}

/** One that was ready and has begun nothing goes back to wait too: somebody was faster. */
export function waitFor(world: World, stage: StageRow, other: StageRow): void {
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    type: "stage.waits",
    data: { name: stage.name, run: other.runId, for: other.id },
    changes: [
      {
        table: "Stage",
        id: stage.id,
        expect: { state: stage.state, desired: "RUN" },
        set: { state: "PENDING", cacheKey: null, waitsFor: other.id },
      },
    ],
  });
}

/** A fork without its checkpoint would begin at step 0 and pass for one that did not. */
export function startGone(stage: StageRow): string {
  return `the checkpoint it was to begin with, ${stage.startFrom}, is gone; fork again from another`;
}

function obstacle(world: World, need: StageRow): { reason: string; message: string } | undefined {
  if (hasFailed(need)) {
    const how = need.state === "FAILED" ? "failed" : "was cancelled";
    return { reason: "upstream_failed", message: `${need.name} ${how}` };
  }
  const gate = hasOutputs(need) ? failedGate(world, need) : undefined;
  if (!gate) return undefined;
  const rule = `${gate.metric} ${gate.comparison} ${gate.against}`;
  return {
    reason: "gate_failed",
    message: `${need.name}: ${rule} did not hold (${measured(gate.value, gate.threshold)})`,
  };
}

/** Content hashes of all inputs in bound order, or what is missing. */
function hashedInputs(world: World, stage: StageRow): HashedInput[] | string {
  const all: HashedInput[] = [];
  for (const input of specOf(stage).inputs) {
    const found = inputHashes(world, stage, input);
    if (found.length === 0) return `${input.stage} has no committed ${input.kind}`;
    all.push(...found);
  }
  return all;
}

function inputHashes(world: World, stage: StageRow, input: ResolvedInput): HashedInput[] {
  if (input.stage === null) return [{ kind: input.kind, sha256: input.sha256 }];
  const source = world.currentStage(stage.runId, input.stage);
  const outputs = source ? world.outputsOf(source) : [];
  return outputs.filter((row) => row.kind === input.kind).map(({ kind, sha256 }) => ({ kind, sha256 }));
}
