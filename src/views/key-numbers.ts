import { count, number, percent, words } from "./format.ts";

export type Metrics = Record<string, number>;

/** The metrics of a recorded result (`{metrics, summary}`); a metric that could not be measured is left out. */
export function metricsOf(result: unknown): Metrics {
  return Object.fromEntries(
    Object.entries(part(result, "metrics")).filter(
      (entry): entry is [string, number] => typeof entry[1] === "number",
    ),
  );
}

/** The free-form summary of a recorded result: what only views of this stage kind read. */
export function summaryOf(result: unknown): Record<string, unknown> {
  return part(result, "summary");
}

function part(result: unknown, name: string): Record<string, unknown> {
  if (result === null || typeof result !== "object") return {};
  const value = (result as Record<string, unknown>)[name];
  return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : {};
}

/** One number, or a number before and after the stage, with its bootstrap bounds where the stage measured them. */
export interface KeyNumber {
  name: string;
  before: number | null;
  value: number;
  /** What blind choice gets, beside a score of a choice. */
  chance: number | null;
  bounds: [number, number] | null;
}

/** What tells most about a stage, first to last. */
const importance = [
  /^heldout_loss$/,
  /^think_share$/,
  /_reward$/,
  /^legal_ppl$/,
  /^general_ppl$/,
  /^documents$/,
  /^(sequences|trajectories|refined|train_samples|train_prompts)$/,
  /^(tokens|parameters|heldout_samples|heldout_prompts)$/,
  /accuracy|score|mean_/,
];

/**
 * Joins `<name>_before` with `<name>_after`, and `<name>_lo` and `<name>_hi` with their name, and puts the telling
 * numbers first. Held-out numbers of a level follow its probes, because at small sizes the probes are what moves.
 */
export function keyNumbers(metrics: Metrics): KeyNumber[] {
  const numbers: KeyNumber[] = [];
  for (const [key, value] of Object.entries(metrics)) {
    if (/_(before|later|gain|chance|lo|hi)$/.test(key)) continue;
    const name = key.replace(/_after$/, "");
    const before = metrics[`${name}_before`] ?? null;
    const chance = metrics[`${name}_chance`] ?? null;
    numbers.push({ name, before, value, chance, bounds: boundsOf(metrics, key) });
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

/** Numbers that are not listed above come after these, in the order measured. */
function rank(name: string): number {
  const found = importance.findIndex((pattern) => pattern.test(name));
  return found < 0 ? importance.length : found;
}

/** The numbers a short line tells: those that matter, or the first two where none is known to. */
export function briefNumbers(metrics: Metrics): KeyNumber[] {
  const all = keyNumbers(metrics);
  const known = all.filter(
    (one) => one.before !== null || one.chance !== null || rank(one.name) < importance.length,
  );
  return known.length > 0 ? known : all.slice(0, 2);
}

/** `held-out loss 7.410 → 6.020`, `charge choice 0 → 26.56 (chance 25)`, `think share 98.0%`, `6120 documents`. */
export function showNumber({ name, before, value, chance }: KeyNumber): string {
  const show = formatOf(name);
  const label = words(name);
  const blind = chance === null ? "" : ` (chance ${show(chance)})`;
  if (before !== null) return `${label} ${show(before)} → ${show(value)}${blind}`;
  if (blind !== "") return `${label} ${show(value)}${blind}`;
  return counted.test(name) ? `${show(value)} ${label}` : `${label} ${show(value)}`;
}

/**
 * The metric of a gate as people read it, with the prompts a reward was measured on: `choice reward after (pool prompts)`;
 * those on held-out prompts say so by their name, `choice held-out gain, upper bound`.
 */
export function gateMetric(metric: string): string {
  const bound = { lo: ", lower bound", hi: ", upper bound" }[/_(lo|hi)$/.exec(metric)?.[1] ?? ""] ?? "";
  const prompts = /_reward_(before|after|gain|later)(_lo|_hi)?$/.test(metric) ? " (pool prompts)" : "";
  return `${words(metric.replace(/_(lo|hi)$/, ""))}${bound}${prompts}`;
}

const counted =
  /(documents|characters|tokens|sequences|samples|prompts|trajectories|refined|parameters|questions)$/;

/** How values of a metric of this name are written. */
export function formatOf(name: string): (value: number) => string {
  if (/(share|accuracy)$/.test(name)) return percent;
  if (counted.test(name)) return count;
  return number;
}
