import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LegaloneError } from "../../src/core/errors.ts";
import { type OrderSpec, passWarnings, planOrder } from "../../src/recipe/order.ts";
import { orderSpec } from "./arbitrary.ts";

/** Every (cell, index) pair of the order, as [cell, index]. */
function pairsOf(spec: OrderSpec): [number, number][] {
  const pairs: [number, number][] = [];
  planOrder(spec, (step) => {
    for (let i = 0; i < step.length; i += 2) pairs.push([step[i]!, step[i + 1]!]);
  });
  return pairs;
}

const spec: OrderSpec = {
  steps: 40,
  batch: 8,
  lambda: 5,
  hold: "none",
  seed: 42,
  schedule: { warmup: 5, decay: 10, max: 3e-4, min: 3e-6, shape: "linear" },
  cells: [
    { group: "general", band: "low", weight: 0.2, sequences: 30 },
    { group: "general", band: "high", weight: 0.2, sequences: 30 },
    { group: "legal", band: "low", weight: 0.3, sequences: 50 },
    { group: "legal", band: "high", weight: 0.3, sequences: 50 },
  ],
};

describe("counts", () => {
  it("stay within 1 - 1/(2k-2) of the cumulative target after every single item", () => {
    fc.assert(
      fc.property(orderSpec, (spec) => {
        const { steps } = planOrder(spec);
        const k = spec.cells.length;
        const bound = k === 1 ? 0 : 1 - 1 / (2 * k - 2);
        const target = new Array<number>(k).fill(0);
        const count = new Array<number>(k).fill(0);
        const pairs = pairsOf(spec);
        expect(pairs).toHaveLength(spec.steps * spec.batch);
        for (const [n, [cell]] of pairs.entries()) {
          const { p } = steps[Math.floor(n / spec.batch)]!;
          count[cell]!++;
          for (let i = 0; i < k; i++) {
            target[i]! += p[i]!;
            expect(Math.abs(count[i]! - target[i]!)).toBeLessThanOrEqual(bound + 1e-9);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it("hold when nine equal cells share a step of seven and one of them is anchored", () => {
    const cells = ["low", "b", "c", "d", "e", "f", "g", "h", "i"].map((band) => ({
      group: "legal",
      band,
      weight: 1,
      sequences: 1000,
    }));
    const { steps } = planOrder({
      ...spec,
      cells,
      batch: 7,
      steps: 200,
      schedule: { ...spec.schedule, warmup: 100, decay: 100 },
    });
    const ahead = new Array<number>(9).fill(0);
    for (const { p, count } of steps) {
      for (let i = 0; i < 9; i++) {
        ahead[i]! += 7 * p[i]! - count[i]!;
        expect(Math.abs(ahead[i]!)).toBeLessThanOrEqual(1 - 1 / 16);
      }
    }
  });

  it("of a step add up to the batch, and probabilities to exactly 1", () => {
    fc.assert(
      fc.property(orderSpec, (spec) => {
        for (const { p, count } of planOrder(spec).steps) {
          expect(count.reduce((a, b) => a + b)).toBe(spec.batch);
          expect(p.reduce((a, b) => a + b)).toBe(1);
          for (const value of p) expect(Number.isInteger(value * 2 ** 40)).toBe(true);
        }
      }),
    );
  });
});

describe("the order", () => {
  it("takes every sequence of a cell once in each pass", () => {
    fc.assert(
      fc.property(orderSpec, (spec) => {
        const drawn = spec.cells.map((): number[] => []);
        for (const [cell, index] of pairsOf(spec)) drawn[cell]!.push(index);
        for (const [cell, { sequences }] of spec.cells.entries()) {
          for (let start = 0; start < drawn[cell]!.length; start += sequences) {
            const pass = drawn[cell]!.slice(start, start + sequences);
            expect(new Set(pass).size).toBe(pass.length);
            expect(Math.max(...pass)).toBeLessThan(sequences);
          }
        }
      }),
    );
  });

  it("is the same for the same spec and another for another seed", () => {
    expect(planOrder(spec).orderSha256).toBe(planOrder(structuredClone(spec)).orderSha256);
    expect(planOrder({ ...spec, seed: 43 }).orderSha256).not.toBe(planOrder(spec).orderSha256);
    // Frozen: another number here means that stored orders can no longer be made again.
    expect(planOrder(spec).orderSha256).toMatchInlineSnapshot(
      `"c168c631f665c22df6e0c45f2d6f1553f5104933ff69614a1d0c929f5f7fe775"`,
    );
  });

  it("of more steps than are kept at once is that of probabilities held all at once", () => {
    const long: OrderSpec = {
      ...spec,
      steps: 10_000,
      batch: 3,
      schedule: { warmup: 3000, decay: 5000, max: 3e-4, min: 3e-6, shape: "cosine" },
      cells: [
        { group: "general", band: "low", weight: 0.2, sequences: 3000 },
        { group: "general", band: "high", weight: 0.2, sequences: 3000 },
        { group: "legal", band: "low", weight: 0.3, sequences: 50 },
        // So rare that its deadlines lie thousands of steps ahead.
        { group: "legal", band: "high", weight: 0.0003, sequences: 50 },
      ],
    };
    // Frozen from the planner that held a table of every step.
    expect(planOrder(long).orderSha256).toBe(
      "0d581e801811de32c06e79ba83d8803419677f66d882c362fa934a7f33eb4406",
    );
    expect(planOrder({ ...long, hold: "group" }).orderSha256).toBe(
      "2efc87739f9a8737794dd4f7a56076790dae746dec2ce9c44833dff743a69bac",
    );
  });

  it("has the SHA-256 of its pairs as little-endian uint32", () => {
    const bytes = Buffer.alloc(8 * spec.steps * spec.batch);
    for (const [n, [cell, index]] of pairsOf(spec).entries()) {
      bytes.writeUInt32LE(cell, 8 * n);
      bytes.writeUInt32LE(index, 8 * n + 4);
    }
    expect(planOrder(spec).orderSha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  it("depends on the ratios of the weights alone", () => {
    const doubled = { ...spec, cells: spec.cells.map((cell) => ({ ...cell, weight: cell.weight * 4 })) };
    expect(planOrder(doubled).orderSha256).toBe(planOrder(spec).orderSha256);
  });

  it("counts passes and warns above four", () => {
    const { passes } = planOrder({ ...spec, cells: spec.cells.map((cell) => ({ ...cell, sequences: 10 })) });
    expect(passes.reduce((a, b) => a + b) * 10).toBeCloseTo(320, 9);
    expect(passWarnings(spec.cells, passes)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^legal\/low is gone through \d+\.\d times/)]),
    );
  });

  it.each([
    ["a schedule longer than the steps", { steps: 10 }, /longer than the 10 steps/],
    ["no weight", { cells: [{ group: "a", band: "low", weight: 0, sequences: 1 }] }, /no cell has a weight/],
    [
      "a cell without sequences",
      { cells: [{ group: "a", band: "low", weight: 1, sequences: 0 }] },
      /no sequences/,
    ],
  ])("refuses %s", (_, change, message) => {
    expect(() => planOrder({ ...spec, ...change })).toThrow(LegaloneError);
    expect(() => planOrder({ ...spec, ...change })).toThrow(message);
  });
});

describe("a spec that has no order", () => {
  it.each<[string, Partial<OrderSpec>, RegExp]>([
    ["a broken number of steps", { steps: 40.5 }, /steps is 40\.5; expected a whole number, 1 or more/],
    ["no batch", { batch: 0 }, /batch is 0/],
    ["a broken seed", { seed: 0.5 }, /seed is 0\.5/],
    ["a broken warm-up", { schedule: { ...spec.schedule, warmup: 1.5 } }, /warmup is 1\.5/],
    ["a highest rate of 0", { schedule: { ...spec.schedule, max: 0, min: 0 } }, /max is 0/],
    ["a lambda below 0", { lambda: -1 }, /lambda is -1/],
    [
      "a weight below 0",
      { cells: [...spec.cells, { ...spec.cells[0]!, weight: -0.1 }] },
      /general\/low has weight -0\.1/,
    ],
    ["a weight that is no number", { cells: [{ ...spec.cells[0]!, weight: Number.NaN }] }, /weight NaN/],
    ["half a sequence", { cells: [{ ...spec.cells[0]!, sequences: 2.5 }] }, /has 2\.5 sequences/],
  ])("is refused: %s", (_, change, message) => {
    expect(() => planOrder({ ...spec, ...change })).toThrow(message);
  });
});
