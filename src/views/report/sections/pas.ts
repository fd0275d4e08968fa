import { count, number } from "../../format.ts";
import { type Fields, fields, list, numberOf, numbers, type StageReport, textOf } from "../data.ts";
import { html, htmlTable, type Markup } from "../html.ts";
import type { Curve, Plot } from "../plot.ts";
import type { Draw, SectionView } from "../section.ts";

/** The order that mid-training consumed: schedule, mixture over time, passes over each cell. */
export const pasSection: SectionView = (data, draw) => {
  const planned = data.stages.flatMap((stage) => {
    const order = stage.files["order/order.json"];
    return order === undefined || list(order.cells).length === 0 ? [] : [{ stage, order }];
  });
  if (planned.length === 0) return null;
  return {
    id: "pas",
    title: "Order of the data (PAS)",
    body: html`${planned.map(({ stage, order }) => orderPart(stage, order, draw))}`,
  };
};

function orderPart(stage: StageReport, order: Fields, draw: Draw): Markup {
  const hash = textOf(order.orderSha256);
  const warnings = list(order.warnings).map(String);
  return html`<h3>${stage.row.name}</h3>
<p>Low-perplexity cells are favoured while the learning rate is below its peak: P(cell) ∝ weight · exp(λ · [cell is low] · (1 − α)), λ = ${String(order.lambda ?? "?")}, α = lr / peak. ${String(order.steps ?? "?")} steps of ${String(order.batch ?? "?")} sequences.
${hash === null ? "" : html`Order <code>${hash.slice(0, 16)}</code>.`}</p>
${warnings.map((text) => html`<p class="note">${text}</p>`)}
<div class="plots">${schedulePlots(stage.row.name, order).map(draw)}</div>${cellTable(order)}`;
}

const pointsShown = 400;

function schedulePlots(name: string, order: Fields): Plot[] {
  const perStep = fields(order.perStep);
  const rate = numbers(perStep.lr);
  const probabilities = list(perStep.p).map(numbers);
  const every = Math.max(1, Math.ceil(rate.length / pointsShown));
  const steps = rate.map((_, i) => i).filter((i) => i % every === 0 || i === rate.length - 1);
  const x = { label: "step", values: steps };
  const plots: Plot[] = [];
  if (probabilities.length === rate.length && rate.length > 1) {
    const curves = list(order.cells).map(
      (cell, i): Curve => ({
        label: cellName(fields(cell)),
        values: steps.map((step) => probabilities[step]?.[i] ?? 0),
        color: i,
      }),
    );
    plots.push({ title: `${name}: planned mixture`, x, y: { label: "share" }, stacked: true, curves });
  }
  if (rate.length > 1) {
    plots.push({
      title: `${name}: planned learning rate`,
      x,
      y: { label: "learning rate" },
      curves: [{ label: "lr", values: steps.map((step) => rate[step]!), color: 0 }],
    });
  }
  return plots;
}

function cellName(cell: Fields): string {
  return [cell.group, cell.band].filter((part) => part !== undefined && part !== null).join(" · ");
}

function cellTable(order: Fields): Markup {
  const passes = numbers(order.passes);
  const totals = totalCounts(order);
  const rows = list(order.cells)
    .map(fields)
    .map((cell, i) => [
      cellName(cell),
      numberOf(cell.weight) === null ? "" : number(numberOf(cell.weight)!),
      count(numberOf(cell.sequences) ?? 0),
      totals[i] === undefined ? "" : count(totals[i]),
      passes[i] === undefined
        ? ""
        : html`<span class="${passes[i] > 4 ? "warn" : ""}">${number(passes[i])}</span>`,
    ]);
  return htmlTable(
    [
      { title: "Cell" },
      { title: "Weight", numeric: true },
      { title: "Sequences", numeric: true },
      { title: "Consumed", numeric: true },
      { title: "Passes", numeric: true },
    ],
    rows,
  );
}

function totalCounts(order: Fields): number[] {
  const totals: number[] = [];
  for (const step of list(fields(order.perStep).count)) {
    for (const [i, value] of numbers(step).entries()) totals[i] = (totals[i] ?? 0) + value;
  }
  return totals;
}
