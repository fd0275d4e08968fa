import { expect, test } from "vitest";
import { keepLogs } from "./keep-logs.ts";
import { makePlan } from "./plan/make-plan.ts";
import { faultKinds } from "./plan/types.ts";
import { runSeeds } from "./run-seeds.ts";

/** A few of the first 200 that hold every kind of fault twice between them: each time the one that holds most that is missing. */
const seeds = covering(Array.from({ length: 200 }, (_, i) => i + 1));

function covering(candidates: readonly number[]): number[] {
  const kindsOf = new Map(
    candidates.map((seed) => [seed, new Set(makePlan(seed).faults.map(({ kind }) => kind))]),
  );
  const missing = new Map<string, number>(faultKinds.map((kind) => [kind, 2]));
  const gain = (seed: number) => [...kindsOf.get(seed)!].filter((kind) => missing.get(kind)! > 0).length;
  const chosen: number[] = [];
  for (;;) {
    const left = candidates.filter((seed) => !chosen.includes(seed));
    const best = left.reduce((most, seed) => (gain(seed) > gain(most) ? seed : most));
    if (gain(best) === 0) return chosen;
    chosen.push(best);
    for (const kind of kindsOf.get(best)!) missing.set(kind, missing.get(kind)! - 1);
  }
}

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
