import { expect, test } from "vitest";
import { emptyStage } from "../../src/views/report/empty-stage.ts";
import { html } from "../../src/views/report/html.ts";
import { armsSection } from "../../src/views/report/sections/arms.ts";
import { meanWithInterval } from "../../src/views/report/t-interval.ts";
import { at, doneStage, runDetail } from "./rows.ts";

function show(legal: Record<string, number>) {
  const stages = Object.entries(legal).map(([name, value], i) => {
    const metrics = {
      ...{ legal_ppl: value, legal_ppl_lo: value - 5, legal_ppl_hi: value + 5, legal_ppl_before: 300 },
      general_ppl: 400,
    };
    const row = { ...doneStage("midtrain", i, i + 1, metrics), name };
    return { ...emptyStage(row), metrics };
  });
  const data = { detail: runDetail(stages.map(({ row }) => row)), stages, nodes: [], now: at(20) };
  return armsSection(data, () => html`<figure></figure>`);
}

test("the interval over seeds is Student's t", () => {
  // By hand: s = 10, t(2) = 4.303, so 4.303 x 10 / sqrt(3) = 24.84.
  const { mean, bounds } = meanWithInterval([240, 250, 260]);
  expect(mean).toBe(250);
  expect(bounds![0]).toBeCloseTo(225.16, 2);
  expect(bounds![1]).toBeCloseTo(274.84, 2);
  expect(meanWithInterval([3])).toEqual({ mean: 3, bounds: null });
});

test("arms are compared seed by seed, with a plot and an interval each", () => {
  const section = show({
    "pas-1": 240,
    "static-1": 250,
    "pas-2": 260,
    "static-2": 271,
    "pas-3": 250,
    "static-3": 260,
  });
  const text = section!.body.text.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
  expect(text).toContain("225.2 – 274.8");
  // 10, 11, 10: mean 10.33, s 0.577, 4.303 x 0.577 / sqrt(3) = 1.43
  expect(text).toMatch(/static 3 300 260\.3 [\d.]+ – [\d.]+ 10\.33 8\.899 – 11\.77 worse/);
  expect(section!.body.text.match(/<circle/g)).toHaveLength(12);
});

test("a seed that did not end is left out, and one arm alone is no comparison", () => {
  expect(show({ "pas-1": 240, "pas-2": 250 })).toBeNull();
  expect(show({ midtrain: 240, "pas-2": 250 })).toBeNull();
});
