import { availableParallelism, loadavg } from "node:os";

const slowest = 15;
let fixed: number | undefined;

/** For machines whose load says little: from here on they count as so many times slower. */
export function fixPace(pace: number): void {
  fixed = pace;
}

/**
 * How many times slower than an idle machine this one is now, from 1. Times of the control plane, of faults and of patience
 * are stretched by it: what is tested is what happens, not how fast two loaded cores are.
 */
export function slowness(): number {
  if (fixed !== undefined) return fixed;
  const share = loadavg()[0]! / availableParallelism();
  return Math.min(slowest, Math.max(1, share / 1.5));
}

/** A hundredth of all times; longer where two lanes on two cores could not keep it, shorter where seeds would only be longer. */
const milliseconds = {
  LEAD: 900,
  NODE_SILENCE: 1_200,
  LEASE: 1_200,
  HEARTBEAT: 100,
  GRACE: 1_500,
  RECONCILE: 100,
  SYNC: 75,
  DISPATCH: 3_000,
  STOP: 1_200,
  STALL: 2_500,
  BACKOFF: 50,
  BACKOFF_LIMIT: 400,
  COOLDOWN: 800,
};

/** Variables with the times of a control plane and its agents on a machine so many times slower. */
export function timesOf(pace: number): Record<string, string> {
  const scaled = Object.entries(milliseconds).map(([name, ms]) => [
    `LEGALONE_TIME_${name}`,
    String(Math.round(ms * pace)),
  ]);
  return { LEGALONE_TIME_SCALE: "0.01", ...Object.fromEntries(scaled) };
}
