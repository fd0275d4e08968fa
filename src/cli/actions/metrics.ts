import { unknownName } from "../../core/suggest.ts";
import type { Database } from "../../records/database.ts";
import { metricNames, metricSeries, mostCurves } from "../../records/reads/metrics.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import type { StageRow } from "../../records/reads/stages.ts";
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
    await refuseUnknown(db, detail, rows, options.name ?? []);
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

/** A name that nothing was measured under. Of a run that has measured nothing yet, nobody can tell. */
async function refuseUnknown(
  db: Database,
  { run, verdict }: RunDetail,
  rows: readonly StageRow[],
  asked: readonly string[],
): Promise<void> {
  if (asked.length === 0) return;
  const known = await metricNames(
    db,
    rows.map((row) => row.cachedFrom ?? row.id),
  );
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown === undefined || (known.length === 0 && !verdict.ended)) return;
  throw unknownName("E_NOT_FOUND", `metric of run ${run.id}`, unknown, known);
}
