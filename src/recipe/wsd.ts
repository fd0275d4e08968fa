/** Warm-up, stable, decay. Lengths in steps, `max` and `min` are learning rates. */
export interface WsdSchedule {
  warmup: number;
  decay: number;
  max: number;
  min: number;
  shape: "linear" | "cosine" | "sqrt";
}

/**
 * Learning rate of step `t` (0 … steps - 1).
 * Warm-up max (t+1)/W; stable max; decay with u = (t - (T-D) + 1) / D down to min, which the last step reaches.
 */
export function learningRate(
  { warmup, decay, max, min, shape }: WsdSchedule,
  steps: number,
  t: number,
): number {
  if (t < warmup) return (max * (t + 1)) / warmup;
  if (t < steps - decay) return max;
  const u = (t - (steps - decay) + 1) / decay;
  if (shape === "linear") return max - (max - min) * u;
  if (shape === "cosine") return min + ((max - min) * (1 + Math.cos(Math.PI * u))) / 2;
  return min + (max - min) * (1 - Math.sqrt(u));
}

/** Why the schedule does not fit into `steps`, or null. */
export function scheduleProblem({ warmup, decay, max, min }: WsdSchedule, steps: number): string | null {
  if (warmup + decay > steps)
    return `warm-up ${warmup} and decay ${decay} are longer than the ${steps} steps`;
  if (min > max) return `min ${min} is above max ${max}`;
  return null;
}
