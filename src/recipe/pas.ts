/** A part of the corpus that is sampled as one: a group of sources in one perplexity band. */
export interface Cell {
  group: string;
  band: string;
  /** Target weight; only ratios count. */
  weight: number;
}

export interface PasOptions {
  /** Strength of the anchor; 0 follows the weights at every step. */
  lambda: number;
  /** `group`: every group keeps its share, and the anchor works inside each group. */
  hold: "none" | "group";
}

/** Probabilities are whole multiples of 2^-40, so that every platform counts the same. */
export const unit = 2 ** 40;

/** The band that is anchored while the learning rate is low. */
const anchored = "low";

/**
 * P(i|t) = w_i exp(lambda [i is low] (1 - alpha)) / Z, alpha = lr(t) / lr_max, as whole numbers of 2^-40
 * whose sum is exactly 2^40: the largest takes the rounding error. Written to `row` from `offset` on.
 */
export function writeProbabilities(
  cells: readonly Cell[],
  { lambda, hold }: PasOptions,
  alpha: number,
  row: Float64Array,
  offset = 0,
): void {
  const boost = Math.exp(lambda * (1 - alpha));
  const raised = cells.map(({ band, weight }) => (band === anchored ? weight * boost : weight));
  const share = hold === "group" ? groupShares(cells, raised) : () => 1 / sum(raised);
  let rest = unit;
  let largest = 0;
  for (let i = 0; i < cells.length; i++) {
    const units = Math.round(raised[i]! * share(cells[i]!.group) * unit);
    row[offset + i] = units;
    rest -= units;
    if (units > row[offset + largest]!) largest = i;
  }
  row[offset + largest]! += rest;
}

/** Factor of a group that keeps its share of the weights: (group's weight / all weight) / (group's raised weight). */
function groupShares(cells: readonly Cell[], raised: readonly number[]): (group: string) => number {
  const total = sum(cells.map(({ weight }) => weight));
  const factors = new Map<string, number>();
  for (const { group } of cells) {
    const members = cells
      .map((cell, i) => [cell, raised[i]!] as const)
      .filter(([cell]) => cell.group === group);
    const before = sum(members.map(([{ weight }]) => weight));
    factors.set(group, before === 0 ? 0 : before / total / sum(members.map(([, weight]) => weight)));
  }
  return (group) => factors.get(group)!;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
