import type { StageRow } from "../../records/reads/stages.ts";
import { metricsOf, summaryOf } from "../key-numbers.ts";
import type { StageReport } from "./data.ts";
import { joinSummaries } from "./shards.ts";

/** A stage with nothing measured: the start of every StageReport. */
export function emptyStage(row: StageRow): StageReport {
  return {
    row,
    metrics: metricsOf(row.result),
    attempts: [],
    series: [],
    summary: joinSummaries(row.kind, summaryOf(row.result), row.shards.map(judgedOf)),
    files: {},
    versions: {},
  };
}

/** Samples a shard of lead-judge or synthetic has marks of. */
function judgedOf({ result }: StageRow["shards"][number]): number | null {
  return metricsOf(result).judged ?? null;
}
