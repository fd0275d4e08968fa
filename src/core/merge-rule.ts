/**
 * How a metric of a split stage comes from those of its shards. `sum` adds, `same` is what all of them say, `one` is
 * what the only shard says that has it, `mean` is weighted by another metric of the shard: a count. `quantile` is
 * taken from the histograms that the shards put under `distributions.<metric>` of their summaries.
 */
export type MergeRule = "sum" | "same" | "one" | { mean: string } | { quantile: number };

/** Rules by metric, as stage.yaml has them; `*` or `<word>` stands for any word. */
export type MergeRules = Readonly<Record<string, MergeRule>>;

/** The rule of a metric: the one of its own name, else the first whose pattern covers it. */
export function mergeRuleOf(rules: MergeRules, metric: string): MergeRule | undefined {
  if (Object.hasOwn(rules, metric)) return rules[metric];
  return Object.entries(rules).find(([pattern]) => metricMatches(pattern, metric))?.[1];
}

/** Whether a metric of stage.yaml, where `*` or `<word>` stands for any word, covers `metric`. */
export function metricMatches(pattern: string, metric: string): boolean {
  const parts = pattern.split(/\*|<\w+>/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("\\w+")}$`).test(metric);
}
