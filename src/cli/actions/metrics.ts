import { metricSeries, mostCurves } from "../../records/reads/metrics.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { lookOf } from "../../views/look.ts";
import { metricJsonLines, metricPlots, metricTable } from "../../views/metrics.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { stageOf } from "./logs.ts";
import { note, print } from "./output.ts";
import { withRecords } from "./records.ts";

export interface MetricOptions {
  json?: boolean;
  plot?: boolean;
  name?: string[];
  points: number;
}

/** The curves of a run or of one of its stages: a line each, drawn with `plot`, every point with `json`. */
export async function metrics(
  runName: string | undefined,
  stageName: string | undefined,
  options: MetricOptions,
): Promise<void> {
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, runName));
    const rows = stageName === undefined ? detail.stages : [stageOf(detail, stageName)];
    const stages = [];
    for (const row of rows) {
      stages.push({
        stage: row.name,
        series: await metricSeries(db, row.cachedFrom ?? row.id, {
          names: options.name,
          points: options.points,
          ...(options.json ? {} : { shards: mostCurves }),
        }),
      });
    }
    if (options.json)
      print(
        [metricJsonLines(stages), jsonLines([verdictJson(detail)])].filter((text) => text !== "").join("\n"),
      );
    else {
      print(
        options.plot
          ? await metricPlots(stages, lookOf(process.stdout))
          : metricTable(stages, lookOf(process.stdout)),
      );
      for (const { name, counts } of rows)
        if (counts && counts.of > mostCurves)
          note(`${name}: the first ${mostCurves} of ${counts.of} shards; --json has all`);
    }
  });
}
