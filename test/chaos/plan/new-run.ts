import type { ResolvedStage } from "../../../src/config/types.ts";
import { canonicalJson, sha256 } from "../../../src/core/hash.ts";
import type { NewRun } from "../../../src/records/runs.ts";
import { runOf } from "../../support/pipelines.ts";
import type { RunPlan, StagePlan } from "./types.ts";

/** The run as `train` would submit it. `pace`: how many times slower than on an idle machine its steps are. */
export function newRunOf(plan: RunPlan, key: string, pace = 1): NewRun {
  const run = runOf(
    plan.stages.map(({ name, needs, outputs, shards, retry, concurrency }) => {
      return { name, needs, outputs, shards, retry, ...(concurrency === null ? {} : { concurrency }) };
    }),
  );
  const stages = run.stages.map((stage, i) => ({
    ...stage,
    spec: specOf(stage.spec as ResolvedStage, plan.stages[i]!, pace),
  }));
  const config = { ...run.config, seed: plan.seed, stages: stages.map(({ spec }) => spec) };
  return {
    ...run,
    pipeline: "chaos",
    config,
    stages,
    configHash: sha256(canonicalJson(JSON.parse(JSON.stringify(config)))),
    ...(plan.twice ? { idempotencyKey: key } : {}),
  };
}

function specOf(spec: ResolvedStage, stage: StagePlan, pace: number): ResolvedStage {
  const { name, steps, stepMs, every, keep, padKb, gate, mishaps, clock, helper, deaf, outputs } = stage;
  return {
    ...spec,
    kind: "chaos-stand-in",
    with: {
      steps,
      stepMs: Math.round(stepMs * pace),
      padKb,
      outputs,
      helper,
      deaf,
      clock: clock.map((jump) => ({ ...jump })),
      mishaps: mishaps.map((one) => ({ ...one })),
    },
    identity: { name, steps, outputs },
    checkpoint: { every, keep },
    merge: { loss: { mean: "weight" } },
    gates: gate === null ? [] : [{ metric: "loss", comparison: "below", against: gate }],
  };
}
