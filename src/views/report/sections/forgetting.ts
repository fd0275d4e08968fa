import { number, percent, words } from "../../format.ts";
import { boundsOf } from "../../key-numbers.ts";
import { armsOf } from "../arms.ts";
import type { ReportData, StageReport } from "../data.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import { interval } from "../interval.ts";
import type { SectionView } from "../section.ts";

const measured = ["legal_ppl", "general_ppl"];

/** Held-out perplexity after every training stage: what it taught, and what was forgotten for it. */
export const forgettingSection: SectionView = (data) => {
  // Stages that are compared with each other do not follow one another.
  if (armsOf(data).length > 0) return null;
  const names = measured.filter((name) => withMetric(data, name).length > 1);
  if (names.length === 0) return null;
  return {
    id: "forgetting",
    title: "Perplexity through the stages",
    body: html`<p>Perplexity on the corpus's held-out documents after each training stage. Lower is better; a rise is forgetting. The grey line is the stage before.</p>${names.map((name) => perplexityTable(data, name))}`,
  };
};

function withMetric({ stages }: ReportData, name: string): StageReport[] {
  return stages.filter((stage) => stage.metrics[name] !== undefined);
}

function perplexityTable(data: ReportData, name: string): Markup {
  const stages = withMetric(data, name);
  const ends = stages.flatMap(({ metrics }) => [metrics[name]!, ...(boundsOf(metrics, name) ?? [])]);
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  const rows = stages.map(({ row, metrics }, i): Content[] => {
    const value = metrics[name]!;
    const bounds = boundsOf(metrics, name);
    const earlier = stages[i - 1]?.metrics;
    const before = earlier?.[name];
    const tone = before === undefined ? "accent" : value <= before ? "good" : "bad";
    return [
      row.name,
      number(value),
      bounds === null ? "" : `${number(bounds[0])} – ${number(bounds[1])}`,
      before === undefined
        ? ""
        : html`<span class="${tone}">${value > before ? "+" : ""}${percent(value / before - 1)}</span>`,
      interval({
        value,
        bounds,
        low,
        high,
        tone,
        ...(before === undefined ? {} : { against: { value: before, bounds: boundsOf(earlier!, name) } }),
      }),
    ];
  });
  return html`<h3>${words(name).replace("ppl", "perplexity")}</h3>${htmlTable(
    [
      { title: "After stage" },
      { title: "Perplexity", numeric: true },
      { title: "Interval", numeric: true },
      { title: "Change", numeric: true },
      { title: "" },
    ],
    rows,
  )}`;
}
