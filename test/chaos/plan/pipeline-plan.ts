import type { Random } from "../random.ts";
import { type Mishap, mishapKinds, type RunPlan, type StagePlan } from "./types.ts";

/** A pipeline that takes one to two seconds when nothing happens. `frequent`: it makes many checkpoints, and keeps few. */
export function planRun(random: Random, seed: number, submitAt: number, frequent: boolean): RunPlan {
  const count = frequent ? 2 : random.weighted({ 1: 2, 2: 3, 3: 4, 4: 2, 5: 1 });
  const names = ["data", "base", "train", "tune", "rest"].slice(0, Number(count));
  const stages: StagePlan[] = [];
  for (const name of names) stages.push(planStage(random, name, stages, frequent));
  return { seed, stages, submitAt, twice: random.chance(0.25) };
}

function planStage(random: Random, name: string, before: readonly StagePlan[], frequent: boolean): StagePlan {
  const needs = before.filter((_, i) =>
    i === before.length - 1 ? random.chance(0.85) : random.chance(0.25),
  );
  const shards = frequent ? 1 : random.weighted({ 1: 6, 2: 2, 3: 1, 4: 1 });
  const steps = frequent ? random.int(30, 45) : random.int(3, 24);
  return {
    name,
    needs: needs.map((need) => need.name),
    outputs: random.chance(0.2) ? ["model", "report"] : ["model"],
    shards: Number(shards),
    concurrency: Number(shards) > 1 && random.chance(0.3) ? 1 : null,
    steps,
    stepMs: Math.round((frequent ? random.int(900, 1_300) : random.int(100, 700)) / steps),
    every: frequent ? 1 : random.int(1, 6),
    keep: frequent ? random.int(1, 2) : random.int(1, 3),
    padKb: frequent ? 96 : 4,
    retry: {
      infra: random.chance(0.1) ? random.int(0, 2) : 40,
      user: random.chance(0.1) ? 0 : 6,
      numeric: 2,
    },
    gate: random.chance(0.08) ? random.pick([0.3, 0.7]) : null,
    mishaps: random.chance(0.25) ? planMishaps(random, steps) : [],
    clock: random.chance(0.2) ? [{ at: random.int(1, steps), hours: random.int(-48, 48) }] : [],
    helper: random.chance(0.1),
    deaf: random.chance(0.08),
  };
}

/** Those of a numeric kind at most twice: that is the budget. */
function planMishaps(random: Random, steps: number): Mishap[] {
  return Array.from({ length: random.int(1, 2) }, (_, i) => ({
    epoch: i + 1,
    at: random.int(1, steps),
    how: random.pick(mishapKinds),
  }));
}
