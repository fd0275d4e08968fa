import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readStageKind, stageKindNames } from "../../src/config/stage-kind.ts";
import { mergeRuleOf, metricMatches } from "../../src/core/merge-rule.ts";
import type { ShardRow } from "../../src/core/rows.ts";
import { mergeResults } from "../../src/workflow/merge-results.ts";

type Metrics = Record<string, number | null>;

const merged = (shards: Metrics[], rules: Parameters<typeof mergeResults>[1]) =>
  mergeResults(
    shards.map((metrics) => ({ result: { metrics, summary: {} } }) as unknown as ShardRow),
    rules,
  ).metrics;

const resultOf = (metrics: Metrics, distributions: Record<string, unknown>) =>
  ({ result: { metrics, summary: { distributions } } }) as unknown as ShardRow;

/** Bins of a 32nd of an octave, as the stage kind perplexity cuts them. */
function latticeOf(values: number[]) {
  const places = values.map((value) => Math.floor(32 * Math.log2(value)));
  const [first, last] = [Math.min(...places), Math.max(...places)];
  const edges = Array.from({ length: last - first + 2 }, (_, i) => 2 ** ((first + i) / 32));
  const counts = edges.slice(1).map((_, i) => places.filter((place) => place === first + i).length);
  return { edges, counts };
}

describe("metrics of a split stage", () => {
  it("add up counts, and take a mean by the count that it is of", () => {
    const rules = { items: "sum", score: { mean: "items" } } as const;
    expect(
      merged(
        [
          { items: 1, score: 100 },
          { items: 3, score: 20 },
        ],
        rules,
      ),
    ).toEqual({ items: 4, score: 40 });
  });

  it("equal the numbers over all items, however they are divided", () => {
    const rules = { items: "sum", score: { mean: "items" } } as const;
    const shards = fc.array(fc.array(fc.double({ min: 0, max: 100, noNaN: true })), {
      minLength: 2,
      maxLength: 9,
    });
    fc.assert(
      fc.property(shards, (parts) => {
        const mean = (values: number[]) =>
          values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
        const { items, score } = merged(
          parts.map((values) => ({ items: values.length, score: mean(values) })),
          rules,
        );
        const all = mean(parts.flat());
        expect(items).toBe(parts.flat().length);
        if (all === null) expect(score).toBeNull();
        else expect(score).toBeCloseTo(all, 8);
      }),
    );
  });

  it.each([
    ["no rule", [{ x: 4 }, { x: 4 }], {}],
    ["a sum with a shard that does not say it", [{ x: 4 }, {}], { x: "sum" }],
    ["a sum with a shard that could not measure it", [{ x: 4 }, { x: null }], { x: "sum" }],
    ["a mean whose weight is missing", [{ x: 4, n: 1 }, { x: 4 }], { x: { mean: "n" }, n: "sum" }],
    [
      "a mean that one shard with items does not say",
      [
        { x: 4, n: 1 },
        { x: null, n: 1 },
      ],
      { x: { mean: "n" }, n: "sum" },
    ],
    ["shards that ought to agree and do not", [{ x: 4 }, { x: 5 }], { x: "same" }],
    ["two shards that both say what one should", [{ x: 4 }, { x: 4 }], { x: "one" }],
  ] as [string, Metrics[], Parameters<typeof mergeResults>[1]][])("are null for %s", (_, shards, rules) => {
    expect(merged(shards, rules).x).toBeNull();
  });

  it("take what all say, what one says, and nothing from a shard of weight 0", () => {
    const rules = {
      tasks: "same",
      "<model>_<task>": "one",
      overall: { mean: "judged" },
      judged: "sum",
    } as const;
    expect(
      merged(
        [
          { tasks: 3, sft_law: 50, sft_law_lo: 40, overall: 8, judged: 5 },
          { tasks: 3, rl_law: 60, overall: null, judged: 0 },
        ],
        rules,
      ),
    ).toEqual({ tasks: 3, sft_law: 50, sft_law_lo: 40, rl_law: 60, overall: 8, judged: 5 });
  });

  it("take a quantile from the histograms of all shards, within a bin of that of all values", () => {
    const perplexity = fc.double({ min: 1, max: 5000, noNaN: true });
    const shards = fc.array(fc.array(perplexity, { minLength: 1 }), { minLength: 2, maxLength: 9 });
    fc.assert(
      fc.property(shards, (parts) => {
        const results = parts.map((values) => resultOf({ x: 1 }, { x: latticeOf(values) }));
        const found = mergeResults(results, { x: { quantile: 0.5 } }).metrics.x!;
        const sorted = parts.flat().sort((a, b) => a - b);
        const [below, above] = [0.5, 0].map((half) => sorted[Math.ceil(sorted.length / 2 + 0.5 - half) - 1]!);
        expect(found).toBeGreaterThan(Math.min(below!, above!) / 2 ** (1.01 / 32));
        expect(found).toBeLessThan(Math.max(below!, above!) * 2 ** (1.01 / 32));
      }),
    );
  });

  it.each([
    ["a shard that does not say how its values lie", [{ x: latticeOf([3, 9]) }, {}]],
    ["bins of another lattice", [{ x: latticeOf([3, 9]) }, { x: { edges: [2, 3.01, 4], counts: [1, 1] } }]],
    ["edges that do not grow", [{ x: { edges: [2, 2, 4], counts: [1, 1] } }, { x: latticeOf([3]) }]],
    ["no value at all", [{ x: { edges: [2, 4], counts: [0] } }, { x: { edges: [2, 4], counts: [0] } }]],
  ])("have no quantile with %s", (_, shards) => {
    const results = shards.map((distributions) => resultOf({ x: 1 }, distributions));
    expect(mergeResults(results, { x: { quantile: 0.5 } }).metrics.x).toBeNull();
  });

  it("take a quantile without the shards that have no document of the group", () => {
    const results = [resultOf({ x: 8 }, { x: { edges: [4, 8, 16], counts: [1, 1] } }), resultOf({}, {})];
    expect(mergeResults(results, { x: { quantile: 0.5 } }).metrics.x).toBe(8);
  });

  it("are left alone where the stage has one part", () => {
    expect(merged([{ anything: 1.5, nothing: null }], {})).toEqual({ anything: 1.5, nothing: null });
  });
});

describe("the stage kinds of stages/", () => {
  const kinds = stageKindNames().map((name) => readStageKind(name).kind!);

  it("are all read", () => {
    expect(kinds.length).toBe(
      readdirSync(join("stages")).filter((name) => /^[a-z]/.test(name) && !name.includes(".")).length,
    );
  });

  it.each(kinds.filter(({ shards }) => shards.max > 1))(
    "$name: rules are of its metrics, weights are counts",
    (kind) => {
      for (const [metric, rule] of Object.entries(kind.merge)) {
        // A rule is of one metric, or of a pattern that stands in `metrics` as it is.
        if (metric !== "*")
          expect(kind.metrics.some((pattern) => pattern === metric || metricMatches(pattern, metric))).toBe(
            true,
          );
        if (typeof rule === "object" && "mean" in rule)
          expect(mergeRuleOf(kind.merge, rule.mean)).toBe("sum");
      }
    },
  );
});
