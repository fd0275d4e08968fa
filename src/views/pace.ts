import type { Attempt } from "../records/reads/row-types.ts";

export interface Pace {
  stepsPerSecond: number;
  etaMs: number;
}

/** Rate and time left of an attempt, from the smoothed time of its steps. Null until a step has been timed. */
export function paceOf(attempt: Pick<Attempt, "step" | "of" | "stepMs">): Pace | null {
  if (attempt.stepMs === null || attempt.stepMs <= 0 || attempt.step === null || attempt.of === null)
    return null;
  return {
    stepsPerSecond: 1000 / attempt.stepMs,
    etaMs: Math.max(0, attempt.of - attempt.step) * attempt.stepMs,
  };
}
