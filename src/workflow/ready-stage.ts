import type { ResolvedInput } from "../config/types.ts";
import { cacheKey, type HashedInput } from "../core/cache-key.ts";
import type { StageRow } from "../core/rows.ts";
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
  const needs = specOf(stage).needs.map((name) => world.currentStage(stage.runId, name));
  const [why] = needs.flatMap((need) => (need && obstacle(world, need)) ?? []);
  if (why) {
    endStage(world, stage, { state: "CANCELLED", cause: "DATA", ...why });
    return;
  }
  if (!needs.every((need) => need && hasOutputs(need) && gatesMeasured(world, need))) return;
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
  if (hit === undefined) {
    world.lookups.add(key);
  } else if (hit) {
    for (const artifact of hit.artifacts) world.learn(artifact);
    endStage(world, stage, {
      state: "SKIPPED",
      reason: "completed",
      cacheKey: key,
      cachedFrom: hit.stageId,
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
          set: { state: "READY", cacheKey: key },
        },
      ],
    });
  }
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
  return { reason: "gate_failed", message: `${need.name}: ${rule} did not hold (${gate.value})` };
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
