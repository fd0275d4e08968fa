import { boundsOf, formatOf, gateMetric } from "../../key-numbers.ts";
import { againstText, parseAgainst } from "../../status.ts";
import type { StageReport } from "../data.ts";
import { html, htmlTable, type Markup } from "../html.ts";
import { interval } from "../interval.ts";
import type { SectionView } from "../section.ts";

const signs: Record<string, string> = { below: "<", above: ">", at_least: "≥", at_most: "≤" };

/** Every gate: the measured value with its interval, what it was held against, and the verdict. */
export const gateSection: SectionView = ({ stages }) => {
  const rows = stages.flatMap((stage) =>
    stage.row.gates.map((gate) => {
      const show = formatOf(gate.metric.replace(/_(before|after)$/, ""));
      const bounds = boundsOf(stage.metrics, gate.metric);
      const against = boundsOfAgainst(stages, gate.against);
      return [
        stage.row.name,
        gateMetric(gate.metric),
        gate.value === null ? "not measured" : show(gate.value),
        bounds === null ? "" : `${show(bounds[0])} – ${show(bounds[1])}`,
        html`${signs[gate.comparison] ?? gate.comparison} ${gate.threshold === null ? "?" : show(gate.threshold)}`,
        gate.against === String(gate.threshold)
          ? ""
          : html`${againstText(gate.against, stage.row.name, gate.metric)}${against === null ? "" : html` <span class="dim nowrap">(${show(against[0])} – ${show(against[1])})</span>`}`,
        picture(gate.value, bounds, gate.threshold, against, gate.passed),
        gate.passed ? html`<b class="good">holds</b>` : html`<b class="bad">does not hold</b>`,
      ];
    }),
  );
  if (rows.length === 0) return null;
  return {
    id: "gates",
    title: "Gates",
    body: html`<p>A gate is a measured condition; one that does not hold ends the run with exit code 10. Intervals are 95 % bootstrap intervals over held-out documents or prompts. A reward is gated twice: on prompts of the pool that RL trains on, and on held-out prompts that it never sees. In the picture the bar is the value's interval, the line the threshold.</p>
${htmlTable(
  [
    { title: "Stage" },
    { title: "Metric" },
    { title: "Value", numeric: true },
    { title: "Interval", numeric: true },
    { title: "Threshold", numeric: true },
    { title: "Threshold is" },
    { title: "" },
    { title: "" },
  ],
  rows,
)}`,
  };
};

/** Interval of the metric a gate was held against, times the factor of the threshold. */
function boundsOfAgainst(stages: StageReport[], against: string): [number, number] | null {
  const parsed = parseAgainst(against);
  const found = stages.find((one) => one.row.name === parsed?.stage);
  if (found === undefined || parsed === undefined) return null;
  const bounds = boundsOf(found.metrics, parsed.metric);
  return bounds === null ? null : [bounds[0] * parsed.times, bounds[1] * parsed.times];
}

function picture(
  value: number | null,
  bounds: [number, number] | null,
  threshold: number | null,
  against: [number, number] | null,
  passed: boolean,
): Markup | null {
  if (value === null || threshold === null) return null;
  const ends = [value, threshold, ...(bounds ?? []), ...(against ?? [])];
  return interval({
    value,
    bounds,
    against: { value: threshold, bounds: against },
    low: Math.min(...ends),
    high: Math.max(...ends),
    tone: passed ? "good" : "bad",
  });
}
