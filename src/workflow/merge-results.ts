import { type Histogram, histogramOf, joinHistograms, quantileOf } from "../core/histogram.ts";
import { type MergeRule, type MergeRules, mergeRuleOf } from "../core/merge-rule.ts";
import { recordedResult } from "../core/recorded.ts";
import type { ShardRow, StageResult } from "../core/rows.ts";

type Metrics = StageResult["metrics"];

/**
 * The result of a stage from those of its shards. A stage in one part has its shard's. Of a split one every metric
 * follows its rule in stage.yaml; one without a rule, or with a shard that cannot say its part, is null: not measured,
 * so that no gate can hold by it. Summaries are kept by shard.
 */
export function mergeResults(shards: readonly ShardRow[], rules: MergeRules = {}): StageResult {
  const results = shards.map((shard) => recordedResult(shard.result) ?? { metrics: {}, summary: {} });
  if (results.length === 1) return results[0]!;
  const names = new Set(results.flatMap((result) => Object.keys(result.metrics)));
  const metrics = Object.fromEntries(
    [...names].map((name) => {
      const rule = mergeRuleOf(rules, name);
      const merged = rule === undefined ? null : merge(rule, name, results);
      return [name, merged !== null && Number.isFinite(merged) ? merged : null];
    }),
  );
  return { metrics, summary: { shards: results.map((result) => result.summary) } };
}

function merge(rule: MergeRule, name: string, results: readonly StageResult[]): number | null {
  const shards = results.map((result) => result.metrics);
  if (typeof rule === "object") {
    return "mean" in rule ? weightedMean(name, rule.mean, shards) : quantile(name, rule.quantile, results);
  }
  switch (rule) {
    case "sum":
      return sum(shards.map((metrics) => metrics[name] ?? null));
    case "same": {
      const [first, ...others] = shards.map((metrics) => metrics[name] ?? null);
      return others.every((value) => value === first) ? first! : null;
    }
    case "one": {
      const told = shards.filter((metrics) => name in metrics);
      return told.length === 1 ? told[0]![name]! : null;
    }
    default:
      return rule satisfies never;
  }
}

/** A shard of weight 0 has nothing to say; any other has to. */
function weightedMean(name: string, weight: string, shards: readonly Metrics[]): number | null {
  const counted = shards.filter((metrics) => metrics[weight] !== 0);
  const total = sum(counted.map((metrics) => metrics[weight] ?? null));
  const parts = counted.map(({ [name]: value, [weight]: count }) =>
    value == null || count == null ? null : value * count,
  );
  const weighted = sum(parts);
  return total === null || weighted === null || total <= 0 ? null : weighted / total;
}

/** A shard that does not report the metric has no value of it; one that does has to say how its values lie. */
function quantile(name: string, share: number, results: readonly StageResult[]): number | null {
  const parts = results
    .filter(({ metrics }) => name in metrics)
    .map(({ summary }) => {
      const { distributions } = summary as { distributions?: Record<string, unknown> };
      return histogramOf(distributions?.[name]);
    });
  const known = parts.filter((part): part is Histogram => part !== null);
  const joined = known.length < parts.length ? null : joinHistograms(known);
  return joined === null ? null : quantileOf(joined, share);
}

/** null as soon as one is missing. */
function sum(values: readonly (number | null)[]): number | null {
  return values.reduce(
    (total, value) => (total === null || value === null ? null : total + value),
    0 as number | null,
  );
}
