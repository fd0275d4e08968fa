import { number } from "../../format.ts";
import { type Fields, fields, list, numberOf, numbers, textOf } from "../data.ts";
import type { Mark, Plot } from "../plot.ts";

const MOST_BARS = 64;

/** Documents of each group over logarithmic bins of perplexity, with the ends of its bands. */
export function perplexityPlots(histogram: Fields, thresholds: Fields): Plot[] {
  const edges = numbers(histogram.edges);
  if (edges.length < 2 || edges.some((edge) => edge <= 0)) return [];
  return list(histogram.groups)
    .map(fields)
    .map((group, i) => {
      const name = textOf(group.group) ?? `group ${i}`;
      const marks = bandEnds(fields(thresholds[name]));
      const bars = coarser(within(edges, numbers(group.counts)), marks);
      return {
        title: `Documents of ${name} by perplexity`,
        x: { label: "perplexity", values: bars.middles, scale: "log" },
        y: { label: "documents" },
        curves: [{ label: name, values: bars.counts, color: i, style: "bars" }],
        marks,
      };
    });
}

function bandEnds(ends: Fields): Mark[] {
  return ["low", "middle", "high"].flatMap((band) => {
    const x = numberOf(ends[band]);
    return x === null ? [] : [{ x, label: `${band} up to ${number(x)}` }];
  });
}

/** Bins from the first to the last that hold a document. */
function within(edges: number[], counts: number[]): { edges: number[]; counts: number[] } {
  const first = Math.max(
    0,
    counts.findIndex((count) => count > 0),
  );
  const last = Math.max(
    first,
    counts.findLastIndex((count) => count > 0),
  );
  return { edges: edges.slice(first, last + 2), counts: counts.slice(first, last + 1) };
}

/** Bars of whole bins, wide enough to be seen; empty ones are added until every mark is inside. */
function coarser(
  { edges, counts }: { edges: number[]; counts: number[] },
  marks: Mark[],
): { middles: number[]; counts: number[] } {
  const step = Math.log(edges.at(-1)! / edges[0]!) / counts.length;
  const low = Math.min(edges[0]!, ...marks.map((mark) => mark.x));
  const high = Math.max(edges.at(-1)!, ...marks.map((mark) => mark.x));
  const before = Math.ceil(Math.log(edges[0]! / low) / step - 1e-6);
  const after = Math.ceil(Math.log(high / edges.at(-1)!) / step - 1e-6);
  const together = Math.max(1, Math.ceil((before + counts.length + after) / MOST_BARS));
  const bars = new Array<number>(Math.ceil((before + counts.length + after) / together)).fill(0);
  for (const [bin, count] of counts.entries()) bars[Math.floor((before + bin) / together)]! += count;
  const begin = Math.log(edges[0]!) - before * step;
  const middles = bars.map((_, bar) =>
    Number(Math.exp(begin + (bar + 0.5) * together * step).toPrecision(4)),
  );
  return { middles, counts: bars };
}
