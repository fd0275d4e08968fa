import { expect, test } from "vitest";
import { briefNumbers, gateMetric, keyNumbers, metricsOf, showNumber } from "../../src/views/key-numbers.ts";

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

test("scores of an evaluation are key numbers, those of a choice with chance beside them", () => {
  const metrics = {
    models: 4,
    tasks: 2,
    items: 512,
    law_before: 0,
    law_after: 26.5625,
    law_gain: 26.5625,
    law_gain_lo: 14,
    law_gain_hi: 39,
    law_chance: 25,
    recital_after: 12.1,
    recital_before: 3.14,
    rl_law: 26.5625,
  };
  expect(briefNumbers(metrics).map(showNumber)).toEqual([
    "law 0 → 26.56 (chance 25)",
    "recital 3.140 → 12.10",
  ]);
  expect(briefNumbers({ items: 5, law_after: 26.5625, law_chance: 25 }).map(showNumber)).toEqual([
    "law 26.56 (chance 25)",
  ]);
});

test("a gate's metric says on which prompts it was measured, and which bound it is", () => {
  expect(gateMetric("choice_reward_after")).toBe("choice reward after (pool prompts)");
  expect(gateMetric("choice_heldout_gain_hi")).toBe("choice held-out gain, upper bound");
  expect(gateMetric("heldout_loss_after")).toBe("held-out loss after");
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
