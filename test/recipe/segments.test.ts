import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type OrderSpec, planOrder } from "../../src/recipe/order.ts";
import { segmentsOf } from "../../src/recipe/segments.ts";
import { amendedSpec } from "./arbitrary.ts";

/** Cell and index of every place, step by step. */
function placesOf(spec: OrderSpec): [cell: number, index: number][][] {
  const steps: [number, number][][] = [];
  planOrder(spec, (pairs) => {
    steps.push(Array.from({ length: spec.batch }, (_, n) => [pairs[2 * n]!, pairs[2 * n + 1]!]));
  });
  return steps;
}

describe("an amended order", () => {
  it("keeps every count within 1 of its target in each segment, after every single place", () => {
    fc.assert(
      fc.property(amendedSpec, (spec) => {
        const { steps } = planOrder(spec);
        const places = placesOf(spec);
        for (const { from, to } of segmentsOf(spec)) {
          const ahead = new Array<number>(spec.cells.length).fill(0);
          let most = 0;
          for (let step = from; step < to; step++) {
            for (const [cell] of places[step]!) {
              ahead[cell]!--;
              for (const [i, p] of steps[step]!.p.entries()) {
                ahead[i]! += p;
                most = Math.max(most, Math.abs(ahead[i]!));
              }
            }
          }
          expect(most).toBeLessThan(1);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("begins as the order that it amends", () => {
    fc.assert(
      fc.property(amendedSpec, ({ amendments, ...before }) => {
        const until = amendments!.at(-1)!.step;
        const earlier = amendments!.slice(0, -1);
        const old = earlier.length > 0 ? { ...before, amendments: earlier } : before;
        expect(placesOf({ ...before, amendments: amendments! }).slice(0, until)).toEqual(
          placesOf(old).slice(0, until),
        );
      }),
    );
  });

  it("takes no sequence of a cell again before all others: passes go on over an amendment", () => {
    fc.assert(
      fc.property(amendedSpec, (spec) => {
        const drawn = spec.cells.map((): number[] => []);
        for (const [cell, index] of placesOf(spec).flat()) drawn[cell]!.push(index);
        for (const [cell, { sequences }] of spec.cells.entries()) {
          for (let start = 0; start < drawn[cell]!.length; start += sequences) {
            const pass = drawn[cell]!.slice(start, start + sequences);
            expect(new Set(pass).size).toBe(pass.length);
          }
        }
      }),
    );
  });

  it("of `hold: group` keeps the share of every group at every step", () => {
    fc.assert(
      fc.property(amendedSpec, (given) => {
        const spec = { ...given, hold: "group" as const, amendments: [] };
        const total = spec.cells.reduce((sum, { weight }) => sum + weight, 0);
        for (const group of new Set(spec.cells.map((cell) => cell.group))) {
          const mine = spec.cells.flatMap((cell, i) => (cell.group === group ? [i] : []));
          const share = mine.reduce((sum, i) => sum + spec.cells[i]!.weight, 0) / total;
          for (const { p } of planOrder(spec).steps)
            expect(mine.reduce((sum, i) => sum + p[i]!, 0)).toBeCloseTo(share, 9);
        }
      }),
      { numRuns: 60 },
    );
  });
});

const spec: OrderSpec = {
  steps: 20,
  batch: 4,
  lambda: 5,
  hold: "none",
  seed: 1,
  schedule: { warmup: 2, decay: 4, max: 1e-3, min: 1e-5, shape: "linear" },
  cells: [
    { group: "general", band: "low", weight: 1, sequences: 9 },
    { group: "legal", band: "low", weight: 1, sequences: 9 },
    { group: "legal", band: "high", weight: 0, sequences: 0 },
  ],
};

describe("a hard switch", () => {
  it("is an amendment: only one group before its step, only the other after", () => {
    const general = {
      ...spec,
      lambda: 0,
      cells: spec.cells.map((c) => ({ ...c, weight: c.group === "general" ? 1 : 0 })),
    };
    const places = placesOf({
      ...general,
      amendments: [{ step: 8, lambda: 0, hold: "none", weights: [0, 1, 0] }],
    });
    expect(
      new Set(
        places
          .slice(0, 8)
          .flat()
          .map(([cell]) => cell),
      ),
    ).toEqual(new Set([0]));
    expect(
      new Set(
        places
          .slice(8)
          .flat()
          .map(([cell]) => cell),
      ),
    ).toEqual(new Set([1]));
  });
});

describe("amendments that have no order are refused:", () => {
  const same = { lambda: 5, hold: "none" as const, weights: [1, 1, 0] };
  it.each([
    ["after the end", [{ ...same, step: 20 }], /an amendment at step 20, but the steps are 0 to 19/],
    [
      "out of order",
      [
        { ...same, step: 9 },
        { ...same, step: 9 },
      ],
      /amendments at steps 9 and 9: each has to come after/,
    ],
    ["at step 0", [{ ...same, step: 0 }], /amendments at steps 0 and 0/],
    ["no weight", [{ ...same, step: 5, weights: [0, 0, 0] }], /from step 5 on: no cell has a weight above 0/],
    [
      "weight of no data",
      [{ ...same, step: 5, weights: [1, 1, 1] }],
      /legal\/high has weight 1 but no sequences/,
    ],
    [
      "a negative weight",
      [{ ...same, step: 5, weights: [1, -1, 0] }],
      /from step 5 on: legal\/low has weight -1/,
    ],
    ["weights of other cells", [{ ...same, step: 5, weights: [1] }], /1 weights for 3 cells/],
    ["a lambda below 0", [{ ...same, step: 5, lambda: -2 }], /from step 5 on: lambda is -2/],
  ])("%s", (_, amendments, message) => {
    expect(() => planOrder({ ...spec, amendments })).toThrow(message);
  });
});
