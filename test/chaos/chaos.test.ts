import { expect, test } from "vitest";
import { keepLogs } from "./keep-logs.ts";
import { makePlan } from "./plan/make-plan.ts";
import { faultKinds } from "./plan/types.ts";
import { runSeeds } from "./run-seeds.ts";

/** The first 24 that hold every kind of fault. Faults of the whole place last half a minute and more: 60 took too long here. */
const seeds = Array.from({ length: 24 }, (_, i) => i + 36);

test("the plan of a seed is always the same, and the seeds of this file hold every kind of fault", () => {
  expect(makePlan(17)).toEqual(makePlan(17));
  const drawn = new Set(seeds.flatMap((seed) => makePlan(seed).faults.map(({ kind }) => kind)));
  expect(faultKinds.filter((kind) => !drawn.has(kind))).toEqual([]);
});

test(`${seeds.length} seeds of random faults violate nothing`, { timeout: 3_600_000 }, async () => {
  const violations: string[] = [];
  const summary = await runSeeds({
    seeds,
    workers: 2,
    onResult: (_, result) => {
      if (result.violations.length === 0) return;
      violations.push(`seed ${result.seed}: ${result.violations.join("; ")}; its logs: ${keepLogs(result)}`);
    },
  });
  // `npm run chaos -- --seed N` runs one again alone.
  expect(violations).toEqual([]);
  expect(summary.seeds).toBe(seeds.length);
  // Faults that hit nothing prove nothing.
  const hit = Object.values(summary.faults).reduce((sum, count) => sum + count, 0);
  expect(hit).toBeGreaterThan(summary.missed);
  expect(summary.outcomes.succeeded).toBeGreaterThan(seeds.length / 2);
});
