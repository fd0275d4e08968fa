import { describe, expect, it } from "vitest";
import { learningRate, scheduleProblem } from "../../src/recipe/wsd.ts";

const schedule = { warmup: 4, decay: 5, max: 1, min: 0.1, shape: "linear" as const };

describe("warm-up, stable, decay", () => {
  it("climbs in equal parts, holds, and ends at min", () => {
    const rates = Array.from({ length: 12 }, (_, t) => learningRate(schedule, 12, t));
    const expected = [0.25, 0.5, 0.75, 1, 1, 1, 1, 0.82, 0.64, 0.46, 0.28, 0.1];
    for (const [t, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[t]!, 12);
  });
  it.each(["linear", "cosine", "sqrt"] as const)(
    "ends at min with the shape %s, never above max",
    (shape) => {
      const rates = Array.from({ length: 12 }, (_, t) => learningRate({ ...schedule, shape }, 12, t));
      expect(rates.at(-1)).toBeCloseTo(0.1, 12);
      expect(Math.max(...rates)).toBe(1);
    },
  );
  it("knows the middle of each shape", () => {
    const at = (shape: "cosine" | "sqrt") => learningRate({ ...schedule, decay: 4, shape }, 12, 9);
    expect(at("cosine")).toBeCloseTo(0.55, 12);
    expect(at("sqrt")).toBeCloseTo(0.1 + 0.9 * (1 - Math.SQRT1_2), 12);
  });
  it("needs no warm-up and no decay", () => {
    expect(learningRate({ ...schedule, warmup: 0, decay: 0 }, 3, 0)).toBe(1);
    expect(learningRate({ ...schedule, warmup: 0, decay: 0 }, 3, 2)).toBe(1);
  });
  it("says why it does not fit", () => {
    expect(scheduleProblem(schedule, 8)).toMatch(/longer than the 8 steps/);
    expect(scheduleProblem({ ...schedule, min: 2 }, 12)).toMatch(/above max/);
    expect(scheduleProblem(schedule, 9)).toBeNull();
  });
});
