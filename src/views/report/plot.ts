import type { Series } from "../../records/reads/metrics.ts";
import { html, type Markup } from "./html.ts";

export interface Curve {
  label: string;
  /** As long as the plot's `x`; null where there is no value. */
  values: (number | null)[];
  /** Number of its colour; curves of one colour belong together. */
  color: number;
  /** `faint` for raw values behind a smoothed curve. */
  style?: "line" | "faint" | "dashed" | "points" | "bars";
}

/** An upright line across a plot, with a word at its top. */
export interface Mark {
  x: number;
  label: string;
}

/** A plot as data: the page's script draws it. */
export interface Plot {
  title: string;
  x: { label: string; values: number[]; scale?: "log" };
  y: { label: string; scale?: "log" };
  curves: Curve[];
  marks?: Mark[];
  /** Areas on top of each other that sum to the whole. */
  stacked?: boolean;
}

/** The place of a plot in the page; the script finds it by its number in the page's list. */
export function plotFigure(plot: Plot, register: (plot: Plot) => number): Markup {
  const id = register(plot);
  return html`<figure class="plot"><figcaption>${plot.title}</figcaption><div data-plot="${id}"></div></figure>`;
}

/** One x axis under several series: every step any of them has, null where one has none. */
export function align(series: Pick<Series, "points">[]): { steps: number[]; values: (number | null)[][] } {
  const steps = [...new Set(series.flatMap((one) => one.points.map((point) => point.step)))].sort(
    (a, b) => a - b,
  );
  return {
    steps,
    values: series.map((one) => {
      const byStep = new Map(one.points.map((point) => [point.step, point.value]));
      return steps.map((step) => byStep.get(step) ?? null);
    }),
  };
}

/**
 * Exponential mean with a memory of about a fortieth of the points: enough to see a trend through the noise of
 * batches. Gaps stay gaps.
 */
export function smooth(values: (number | null)[]): (number | null)[] {
  const keep = Math.exp(-1 / Math.max(1, values.length / 40));
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = keep * sum + value;
    weight = keep * weight + 1;
    return sum / weight;
  });
}

/** Whether nothing happens in a plot: a flat line is better told in words. */
export function isFlat({ curves }: Plot): boolean {
  const values = curves.flatMap((curve) => curve.values).filter((value) => value !== null);
  return values.every((value) => value === values[0]);
}

/** A metric of a stage as a plot: raw values faint, the smoothed curve on top. Null without at least two points. */
export function metricPlot(title: string, label: string, series: Series[], xLabel = "step"): Plot | null {
  const usable = series.filter((one) => one.points.length > 1);
  if (usable.length === 0) return null;
  const { steps, values } = align(usable);
  const curves = usable.flatMap((one, i): Curve[] => {
    const alone = usable.length === 1;
    const name = usable.every((other) => other.shard === one.shard) ? one.name : `${one.name} [${one.shard}]`;
    const raw = values[i]!;
    if (raw.length < 12) return [{ label: alone ? label : name, values: raw, color: i }];
    return [
      { label: alone ? "as measured" : `${name}, as measured`, values: raw, color: i, style: "faint" },
      { label: alone ? "smoothed" : name, values: smooth(raw), color: i },
    ];
  });
  return { title, x: { label: xLabel, values: steps }, y: { label }, curves };
}
