import { number } from "../../format.ts";
import { boundsOf } from "../../key-numbers.ts";
import type { StageReport } from "../data.ts";
import { html, htmlTable } from "../html.ts";
import { interval } from "../interval.ts";
import { align, metricPlot, type Plot, smooth } from "../plot.ts";
import type { SectionView } from "../section.ts";

/** Loss of every training stage over its steps, learning rate and gradient norm beside it, and the held-out loss before and after. */
export const trainingSection: SectionView = ({ stages }, draw) => {
  const training = stages.filter(
    (stage) =>
      stage.row.kind !== "rl" &&
      stage.series.some((series) => series.name === "loss" && series.points.length > 1),
  );
  const rows = heldoutRows(stages);
  if (training.length === 0 && rows.length === 0) return null;
  return {
    id: "training",
    title: "Training",
    body: html`${
      rows.length === 0
        ? ""
        : html`<h3>Held-out loss before and after each training stage</h3><p>Each stage on its own held-out data; cross entropy in nats a token.</p>${htmlTable(
            [
              { title: "Stage" },
              { title: "Before", numeric: true },
              { title: "After", numeric: true },
              { title: "Interval after", numeric: true },
              { title: "Change", numeric: true },
              { title: "" },
            ],
            rows,
          )}`
    }<div class="plots">${training.flatMap(plotsOf).map(draw)}</div>`,
  };
};

function plotsOf(stage: StageReport): Plot[] {
  const named = (name: string) => stage.series.filter((series) => series.name === name);
  const plots = [metricPlot(`${stage.row.name}: loss`, "loss", named("loss"))];
  plots.push(partsPlot(stage));
  const rate = metricPlot(`${stage.row.name}: learning rate`, "learning rate", named("lr"));
  // A learning rate is exact: smoothing it would draw a schedule that was not used.
  if (rate !== null)
    plots.push({ ...rate, curves: [{ label: "learning rate", values: rate.curves[0]!.values, color: 0 }] });
  plots.push(metricPlot(`${stage.row.name}: gradient norm`, "norm", named("grad_norm")));
  plots.push(metricPlot(`${stage.row.name}: speed`, "tokens a second", named("tokens_per_second")));
  return plots.filter((plot) => plot !== null);
}

/** Loss by part of the data (`loss/<part>`), smoothed: which cell learns and which is used up. */
function partsPlot({ row, series }: StageReport): Plot | null {
  const parts = series.filter((one) => one.name.startsWith("loss/") && one.points.length > 1);
  if (parts.length < 2) return null;
  const { steps, values } = align(parts);
  const curves = parts.map((one, i) => ({
    label: one.name.slice("loss/".length).replaceAll(".", " · "),
    values: smooth(values[i]!),
    color: i,
  }));
  return {
    title: `${row.name}: loss by cell, smoothed`,
    x: { label: "step", values: steps },
    y: { label: "loss" },
    curves,
  };
}

function heldoutRows(stages: StageReport[]) {
  const ends = stages
    .flatMap(({ metrics }) =>
      ["heldout_loss_before", "heldout_loss_after"].flatMap((name) => [
        metrics[name],
        ...(boundsOf(metrics, name) ?? []),
      ]),
    )
    .filter((value) => value !== undefined);
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  return stages.flatMap(({ row, metrics }) => {
    const { heldout_loss_before: before, heldout_loss_after: after } = metrics;
    if (before === undefined || after === undefined) return [];
    const bounds = boundsOf(metrics, "heldout_loss_after");
    const fell = after < before;
    return [
      [
        row.name,
        number(before),
        number(after),
        bounds === null ? "" : `${number(bounds[0])} – ${number(bounds[1])}`,
        html`<span class="${fell ? "good" : "bad"}">${fell ? "" : "+"}${number(after - before)}</span>`,
        interval({
          value: after,
          bounds,
          against: { value: before, bounds: boundsOf(metrics, "heldout_loss_before") },
          low,
          high,
          tone: fell ? "good" : "bad",
        }),
      ],
    ];
  });
}
