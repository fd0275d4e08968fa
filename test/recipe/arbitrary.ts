import fc from "fast-check";
import type { OrderSpec } from "../../src/recipe/order.ts";

/** Random small order specs: any shape of schedule, up to ten cells, weights over four orders of magnitude. */
export const orderSpec: fc.Arbitrary<OrderSpec> = fc
  .record({
    steps: fc.integer({ min: 1, max: 60 }),
    batch: fc.integer({ min: 1, max: 17 }),
    lambda: fc.constantFrom(0, 0.5, 5, 12),
    hold: fc.constantFrom("none" as const, "group" as const),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    warm: fc.double({ min: 0, max: 0.5, noNaN: true }),
    cool: fc.double({ min: 0, max: 0.5, noNaN: true }),
    shape: fc.constantFrom("linear" as const, "cosine" as const, "sqrt" as const),
    cells: fc.array(
      fc.record({
        group: fc.constantFrom("general", "legal", "synthetic"),
        band: fc.constantFrom("low", "middle", "high"),
        weight: fc.oneof(fc.double({ min: 0.001, max: 10, noNaN: true }), fc.constant(1)),
        sequences: fc.integer({ min: 1, max: 40 }),
      }),
      { minLength: 1, maxLength: 10 },
    ),
  })
  .map(({ warm, cool, shape, ...rest }) => ({
    ...rest,
    schedule: {
      warmup: Math.floor(warm * rest.steps),
      decay: Math.floor(cool * rest.steps),
      max: 3e-4,
      min: 3e-6,
      shape,
    },
  }));

/** The same with one to three amendments, each with other options and weights. */
export const amendedSpec: fc.Arbitrary<OrderSpec> = orderSpec
  .filter(({ steps }) => steps > 4)
  .chain((spec) =>
    fc
      .uniqueArray(fc.integer({ min: 1, max: spec.steps - 1 }), { minLength: 1, maxLength: 3 })
      .chain((steps) =>
        fc.tuple(
          ...steps
            .sort((a, b) => a - b)
            .map((step) =>
              fc.record({
                step: fc.constant(step),
                lambda: fc.constantFrom(0, 5, 9),
                hold: fc.constantFrom("none" as const, "group" as const),
                weights: fc.array(fc.double({ min: 0.001, max: 10, noNaN: true }), {
                  minLength: spec.cells.length,
                  maxLength: spec.cells.length,
                }),
              }),
            ),
        ),
      )
      .map((amendments) => ({ ...spec, amendments })),
  );
