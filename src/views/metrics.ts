import type { Series } from "../records/reads/metrics.ts";
import { number } from "./format.ts";
import { type Look, pageWidth } from "./look.ts";
import { jsonLines } from "./status-json.ts";
import { indent, table } from "./table.ts";

export interface StageSeries {
  stage: string;
  series: Series[];
}

/** A line a curve: where it began, its extremes, where it stands. */
export function metricTable(stages: StageSeries[], look: Look): string {
  const rows = stages.flatMap(({ stage, series }) =>
    series.map((curve) => {
      const values = curve.points;
      return [
        stage,
        shardName(curve),
        String(values.at(-1)!.step),
        number(values[0]!.value),
        number(Math.min(...values.map((point) => point.low))),
        number(Math.max(...values.map((point) => point.high))),
        number(values.at(-1)!.value),
      ];
    }),
  );
  if (rows.length === 0) return "Nothing has been measured yet.";
  const right = { align: "right" } as const;
  return table(
    [
      { title: "STAGE", key: true },
      { title: "METRIC", key: true, gives: "cut" },
      { title: "STEP", ...right },
      { title: "FIRST", ...right },
      { title: "LOWEST", ...right },
      { title: "HIGHEST", ...right },
      { title: "LAST", ...right },
    ],
    rows,
    look,
  );
}

/** Each curve drawn with characters, as wide as the terminal lets. */
export async function metricPlots(stages: StageSeries[], look: Look): Promise<string> {
  const { default: asciichart } = await import("asciichart");
  const width = Math.max(20, pageWidth(look) - 16);
  const plots = stages.flatMap(({ stage, series }) =>
    series
      .filter((curve) => curve.points.length > 1)
      .map((curve) => {
        const values = squeeze(curve, width);
        const last = curve.points.at(-1)!;
        const head = `${look.colors.bold(`${stage} ${shardName(curve)}`)}  ${number(last.value)} at step ${last.step}`;
        return `${head}\n${indent(asciichart.plot(values, { height: 8, format: (value: number) => number(value).padStart(9) }))}`;
      }),
  );
  return plots.length === 0 ? "Nothing has been measured at more than one step yet." : plots.join("\n\n");
}

function shardName({ name, shard }: Series): string {
  return shard === 0 ? name : `${name} [shard ${shard}]`;
}

function squeeze({ points }: Series, width: number): number[] {
  if (points.length <= width) return points.map((point) => point.value);
  return Array.from({ length: width }, (_, i) => {
    const part = points.slice(
      Math.floor((i * points.length) / width),
      Math.floor(((i + 1) * points.length) / width),
    );
    return part.reduce((sum, point) => sum + point.value, 0) / part.length;
  });
}

/** A line a point. */
export function metricJsonLines(stages: StageSeries[]): string {
  return jsonLines(
    stages.flatMap(({ stage, series }) =>
      series.flatMap(({ name, shard, points }) =>
        points.map((point) => ({ type: "metric", stage, name, shard, ...point })),
      ),
    ),
  );
}
