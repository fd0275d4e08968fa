import { count, number, percent, words } from "./format.ts";

export type Metrics = Record<string, number>;

/** The numbers of a recorded result; whatever else stands there is left out. */
export function metricsOf(result: unknown): Metrics {
  if (result === null || typeof result !== "object") return {};
  return Object.fromEntries(
    Object.entries(result).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}

/** One number, or a number before and after the stage, with its bootstrap bounds where the stage measured them. */
export interface KeyNumber {
  name: string;
  before: number | null;
  value: number;
  bounds: [number, number] | null;
}

/** What tells most about a stage comes first; a name that is not listed comes after these, in the order measured. */
const importance = [
  /^heldout_loss$/,
  /^legal_ppl$/,
  /^general_ppl$/,
  /^think_share$/,
  /_reward$/,
  /accuracy|score/,
  /^(documents|kept|sequences|samples|prompts)/,
];

/**
 * Joins `<name>_before` with `<name>_after`, and `<name>_lo` and `<name>_hi` with their name, and puts the telling
 * numbers first. Held-out numbers of a level follow its probes, because at small sizes the probes are what moves.
 */
export function keyNumbers(metrics: Metrics): KeyNumber[] {
  const numbers: KeyNumber[] = [];
  for (const [key, value] of Object.entries(metrics)) {
    if (/_(before|lo|hi)$/.test(key)) continue;
    const name = key.replace(/_after$/, "");
    const before = key === name ? null : (metrics[`${name}_before`] ?? null);
    numbers.push({ name, before, value, bounds: boundsOf(metrics, key) });
  }
  return numbers
    .map((entry, i) => ({ entry, rank: rank(entry.name), i }))
    .sort((a, b) => a.rank - b.rank || a.i - b.i)
    .map(({ entry }) => entry);
}

/** Bootstrap bounds of a metric: `<name>_lo` and `<name>_hi`. */
export function boundsOf(metrics: Metrics, name: string): [number, number] | null {
  const low = metrics[`${name}_lo`];
  const high = metrics[`${name}_hi`];
  return low === undefined || high === undefined ? null : [low, high];
}

function rank(name: string): number {
  const found = importance.findIndex((pattern) => pattern.test(name));
  return found < 0 ? importance.length : found;
}

/** `held-out loss 7.410 → 6.020`, `think share 98.0%`. */
export function showNumber({ name, before, value }: KeyNumber): string {
  const show = formatOf(name);
  const label = words(name).replace("heldout", "held-out");
  return before === null ? `${label} ${show(value)}` : `${label} ${show(before)} → ${show(value)}`;
}

/** How values of a metric of this name are written. */
export function formatOf(name: string): (value: number) => string {
  if (/share$|accuracy$/.test(name)) return percent;
  if (/documents|tokens|sequences|samples|prompts|parameters|bytes/.test(name)) return count;
  return number;
}
