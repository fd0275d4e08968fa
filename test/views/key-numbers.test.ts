import { expect, test } from "vitest";
import { keyNumbers, metricsOf, showNumber } from "../../src/views/key-numbers.ts";

const told = (metrics: Record<string, number>) => keyNumbers(metrics).map(showNumber);

test("before and after become one number, bounds are no numbers of their own", () => {
  expect(
    told({
      heldout_loss_before: 7.41,
      heldout_loss_after: 6.02,
      heldout_loss_after_lo: 5.9,
      heldout_loss_after_hi: 6.1,
    }),
  ).toEqual(["held-out loss 7.410 → 6.020"]);
  expect(keyNumbers({ legal_ppl: 244, legal_ppl_lo: 230, legal_ppl_hi: 260 })[0]?.bounds).toEqual([230, 260]);
});

test("a reward on probes is told before perplexity, and held-out numbers of a level after both", () => {
  expect(
    told({
      general_ppl: 459.2,
      memorisation_heldout_before: 0.21,
      memorisation_heldout_after: 0.2,
      memorisation_reward_before: 0.48,
      memorisation_reward_after: 0.75,
    }),
  ).toEqual([
    "memorisation reward 0.480 → 0.750",
    "general ppl 459.2",
    "memorisation held-out 0.210 → 0.200",
  ]);
});

test("shares are percentages, counts are counts", () => {
  expect(told({ documents: 61_200, think_share: 0.98 })).toEqual(["think share 98.0%", "61.2k documents"]);
});

test("what a stage could not measure is left out", () => {
  expect(metricsOf({ metrics: { legal_ppl: null, general_ppl: 3 }, summary: {} })).toEqual({
    general_ppl: 3,
  });
  expect(metricsOf(null)).toEqual({});
  expect(metricsOf({ metrics: "broken" })).toEqual({});
});
