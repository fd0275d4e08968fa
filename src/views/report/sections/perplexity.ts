import { count, number, percent } from "../../format.ts";
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
${plots.length === 0 ? "" : html`<div class="plots">${plots.map(draw)}</div>`}${thresholds}${cells}${agreement(fields(facts.predictor)) ?? ""}`;
}

/** How far predicted perplexities can be trusted: held-out documents by measured and predicted band. */
function agreement(predictor: Fields): Markup | null {
  const confusion = fields(predictor.confusion);
  const bands = Object.keys(confusion);
  if (bands.length === 0) return null;
  const amount = (name: string) => count(numberOf(predictor[name]) ?? 0);
  const rows = bands.map((band): Content[] => [
    band,
    ...bands.map((other) => count(numberOf(fields(confusion[band])[other]) ?? 0)),
  ]);
  const share = numberOf(predictor.same_band) ?? 0;
  return html`<p>The model scored ${amount("measured")} documents; the perplexity of ${amount("predicted")} is predicted from n-grams. Of ${amount("heldout")} documents that were measured but not learned from, ${percent(share)} are predicted into their band; rank correlation (Spearman) ${limit(predictor.spearman)}.</p>
${htmlTable(
  [{ title: "Measured" }, ...bands.map((band) => ({ title: `Predicted ${band}`, numeric: true }))],
  rows,
)}`;
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
