import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import { checkpointBytesPerParameter, flops, npuHours, parameters } from "../recipe/capacity.ts";
import type { StageCost } from "./types.ts";

interface Work {
  tokens: number | null;
  steps: number | null;
  /** Floating-point operations for each parameter. */
  perParameter: number | null;
}

const unknown: Work = { tokens: null, steps: null, perParameter: null };

/**
 * Estimates a stage: operations = 6 x parameters x tokens for training, 2 x for scoring and generating; NPU-hours at the
 * cluster's peak and MFU. Generated answers are counted at their longest, so that RL is an upper bound.
 */
export function estimateCost(stage: ResolvedStage, pipeline: ResolvedPipeline): StageCost {
  const { tokens, steps, perParameter } = workOf(stage, pipeline);
  const { cluster, model } = pipeline;
  const size = model && parameters(model);
  const npus = stage.resources.nodes * stage.resources.npus;
  const priced = perParameter !== null && size !== null && npus > 0 && cluster.peak_tflops && cluster.mfu;
  const hours = priced ? npuHours(perParameter * size, cluster.peak_tflops!, cluster.mfu!) : null;
  const saves = size !== null && ["base", "midtrain", "sft", "rl"].includes(stage.kind);
  return {
    tokens,
    steps,
    npuHours: npus === 0 && perParameter === null ? 0 : hours,
    wallHours: hours === null ? null : hours / npus,
    checkpointBytes: saves ? checkpointBytesPerParameter * size * (stage.checkpoint?.keep ?? 1) : null,
  };
}

function workOf(stage: ResolvedStage, pipeline: ResolvedPipeline): Work {
  switch (stage.kind) {
    case "base":
      return training(stage, number(stage, "sequence_length"));
    case "midtrain":
      return training(stage, sequenceLengthOf(stage, pipeline));
    case "sft":
      return training(stage, number(stage, "length"));
    case "rl":
      return reinforcement(stage);
    default:
      return unknown;
  }
}

function training(stage: ResolvedStage, length: number | null): Work {
  const batch = number(stage, "batch");
  const given = number(stage, "steps");
  const written = number(stage, "tokens");
  if (batch === null || length === null) return unknown;
  const steps = given ?? (written === null ? null : Math.ceil(written / (batch * length)));
  const tokens = steps === null ? null : steps * batch * length;
  return { tokens, steps, perParameter: tokens === null ? null : flops.train * tokens };
}

/** Packed data has the sequence length of the stage that packed it. */
function sequenceLengthOf(stage: ResolvedStage, pipeline: ResolvedPipeline): number | null {
  const packed = stage.inputs.find(({ kind }) => kind === "packed")?.stage;
  const maker = pipeline.stages.find(({ name }) => name === packed);
  return maker ? number(maker, "sequence_length") : null;
}

/** Every level at its most steps, every answer at its longest: generated once (2) and trained on once (6). */
function reinforcement(stage: ResolvedStage): Work {
  const levels = stage.with.levels;
  if (!Array.isArray(levels)) return unknown;
  let steps = 0;
  let tokens = 0;
  for (const level of levels as { longest_answer?: number; gate?: { max_steps?: number } }[]) {
    const most = Number(level.gate?.max_steps);
    const answers = Number(stage.with.groups) * Number(stage.with.group);
    const longest = Number(level.longest_answer);
    if (![most, answers, longest].every(Number.isFinite)) return unknown;
    steps += most;
    tokens += most * answers * longest;
  }
  return { tokens, steps, perParameter: (flops.score + flops.train) * tokens };
}

function number(stage: ResolvedStage, key: string): number | null {
  const value = stage.with[key];
  return typeof value === "number" ? value : null;
}
