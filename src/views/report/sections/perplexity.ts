import { count, number } from "../../format.ts";
import { type Fields, fields, list, numberOf, ofKind, type StageReport, textOf } from "../data.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import { perplexityPlots } from "../plots/perplexity.ts";
import type { Draw, SectionView } from "../section.ts";

/** How hard the base model finds each document, and the bands that PAS samples from. */
export const perplexitySection: SectionView = (data, draw) => {
  const parts = ofKind(data, "perplexity").flatMap((stage) => perplexityPart(stage, draw) ?? []);
  return parts.length === 0 ? null : { id: "perplexity", title: "Perplexity bands", body: html`${parts}` };
};

function perplexityPart(stage: StageReport, draw: Draw): Markup | null {
  const facts = stage.files["packed/cells.json"] ?? stage.summary;
  const plots = perplexityPlots(stage.files["packed/histogram.json"] ?? {}, fields(facts.thresholds));
  const cells = cellTable(list(facts.cells).map(fields));
  const thresholds = thresholdTable(fields(facts.thresholds));
  if (plots.length === 0 && cells === null && thresholds === null) return null;
  return html`<p>Perplexity of every document under the base model decides its band; the cells (group × band) are what the order of mid-training is made from.</p>
${plots.length === 0 ? "" : html`<div class="plots">${plots.map(draw)}</div>`}${thresholds}${cells}`;
}

function thresholdTable(thresholds: Fields): Markup | null {
  const rows = Object.entries(thresholds).map(([group, ends]): Content[] => {
    const { low, middle, high } = fields(ends);
    return [group, limit(low), limit(middle), numberOf(high) === null ? "none dropped" : limit(high)];
  });
  if (rows.length === 0) return null;
  return htmlTable(
    [
      { title: "Group" },
      { title: "Low up to", numeric: true },
      { title: "Middle up to", numeric: true },
      { title: "High up to", numeric: true },
    ],
    rows,
  );
}

function limit(value: unknown): string {
  const found = numberOf(value);
  return found === null ? "" : number(found);
}

function cellTable(cells: Fields[]): Markup | null {
  if (cells.length === 0) return null;
  const amount = (value: unknown) => count(numberOf(value) ?? 0);
  const rows = cells.map((cell): Content[] => [
    textOf(cell.group),
    textOf(cell.band),
    amount(cell.documents),
    amount(cell.sequences),
    amount(cell.tokens),
  ]);
  return htmlTable(
    [
      { title: "Group" },
      { title: "Band" },
      { title: "Documents", numeric: true },
      { title: "Sequences", numeric: true },
      { title: "Tokens", numeric: true },
    ],
    rows,
  );
}
