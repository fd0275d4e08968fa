import type { OrderCell, OrderSummary } from "../recipe/order.ts";
import { count, number, percent } from "./format.ts";
import { type Look, pageWidth } from "./look.ts";
import { indent, paragraphs, table, wrap } from "./table.ts";

export interface PasPreview extends OrderSummary {
  /** One, and one more for every amendment; weights are those of the cells. */
  segments: { from: number; to: number; lambda: number; hold: string; weights: number[] }[];
  cells: OrderCell[];
  batch: number;
  from: string;
  assumed: boolean;
  warnings: string[];
}

/** The schedule drawn over the steps, and what it means for every cell. */
export async function pasView(preview: PasPreview, look: Look): Promise<string> {
  const { default: asciichart } = await import("asciichart");
  const { cells, steps, segments, batch, from, assumed, orderSha256, warnings } = preview;
  const { colors } = look;
  const width = Math.max(20, Math.min(steps.length, pageWidth(look) - 16));
  const low = steps.map(({ p }) =>
    p.reduce((sum, value, i) => (cells[i]!.band === "low" ? sum + value : sum), 0),
  );
  const plot = (title: string, values: number[], format: (value: number) => string) =>
    `${colors.bold(title)}\n${indent(asciichart.plot(squeeze(values, width), { height: 6, format: (value) => format(value).padStart(9) }))}`;
  return [
    paragraphs(
      [
        `${steps.length} steps of ${batch} sequences; cells from ${from}`,
        ...(assumed
          ? [
              colors.yellow(
                "These are no measured numbers. After a run, or with --packed, the real cells are shown.",
              ),
            ]
          : []),
      ],
      look,
    ),
    "",
    plot(
      "learning rate",
      steps.map(({ lr }) => lr),
      number,
    ),
    "",
    plot("share of the low band", low, percent),
    "",
    cellTable(preview, look),
    "",
    ...(segments.length > 1 ? [segmentTable(preview, look), ""] : []),
    ...warnings.map((text) => wrap(`${colors.yellow("warning")} ${text}`, look.width)),
    wrap(`order ${orderSha256}`, look.width),
  ].join("\n");
}

/** What holds between amendments, and what each cell gives there. */
function segmentTable({ cells, steps, segments }: PasPreview, look: Look): string {
  const right = { align: "right" } as const;
  const groups = [...new Set(cells.map(({ group }) => group))];
  const shareOf = (values: readonly number[], group: string) =>
    values.reduce((sum, value, i) => (cells[i]!.group === group ? sum + value : sum), 0);
  return table(
    [
      { title: "FROM STEP", ...right },
      { title: "TO", ...right },
      { title: "LAMBDA", ...right },
      { title: "HOLD" },
      ...groups.flatMap((group) => [
        { title: `${group} WEIGHT`, ...right },
        { title: "TAKEN", ...right },
      ]),
    ],
    segments.map(({ from, to, lambda, hold, weights }) => [
      String(from),
      String(to - 1),
      String(lambda),
      hold,
      ...groups.flatMap((group) => [
        percent(shareOf(weights, group)),
        count(steps.slice(from, to).reduce((sum, step) => sum + shareOf(step.count, group), 0)),
      ]),
    ]),
    look,
  );
}

/** Probabilities at the first, a stable and the last step, and how often each cell is gone through. */
function cellTable({ cells, steps, passes }: PasPreview, look: Look): string {
  const right = { align: "right" } as const;
  const stable = steps.reduce((best, step) => (step.alpha > best.alpha ? step : best), steps[0]!);
  return table(
    [
      { title: "GROUP", key: true },
      { title: "BAND", key: true },
      { title: "WEIGHT", ...right },
      { title: "FIRST", ...right },
      { title: "STABLE", ...right },
      { title: "LAST", ...right },
      { title: "SEQUENCES", ...right },
      { title: "TAKEN", ...right },
      { title: "PASSES", ...right },
    ],
    cells.map(({ group, band, weight, sequences }, i) => [
      group,
      band,
      percent(weight),
      percent(steps[0]!.p[i]!),
      percent(stable.p[i]!),
      percent(steps.at(-1)!.p[i]!),
      count(sequences),
      count(steps.reduce((sum, step) => sum + step.count[i]!, 0)),
      number(passes[i]!),
    ]),
    look,
  );
}

function squeeze(values: number[], width: number): number[] {
  return Array.from(
    { length: width },
    (_, i) => values[Math.round((i * (values.length - 1)) / Math.max(1, width - 1))]!,
  );
}
