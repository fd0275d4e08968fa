import { workspace } from "../../core/paths.ts";
import type { Database } from "../../records/database.ts";
import { readArtifactJson, readAttemptJson } from "../../records/reads/artifact-files.ts";
import { eventsAfter } from "../../records/reads/events.ts";
import { lineageOf, lineageRoot } from "../../records/reads/lineage.ts";
import { metricSeries, mostCurves } from "../../records/reads/metrics.ts";
import { listNodes } from "../../records/reads/nodes.ts";
import type { RunDetail } from "../../records/reads/runs.ts";
import { attemptsOf, type StageRow } from "../../records/reads/stages.ts";
import { type Fields, fields, type ReportData, type StageReport, textOf } from "./data.ts";
import { emptyStage } from "./empty-stage.ts";
import { joinShardFiles } from "./shards.ts";

/** JSON files of artifacts that some section shows. One that is absent or broken is passed over. */
const shownFiles: Record<string, string[]> = {
  corpus: ["report.json"],
  packed: ["histogram.json", "cells.json"],
  evaluation: ["report.json"],
};

/** Reads what the report shows from the records and the artifacts that can be reached from here. */
export async function gatherReport(db: Database, detail: RunDetail, now: Date): Promise<ReportData> {
  const stages: StageReport[] = [];
  for (const row of detail.stages) stages.push(await gatherStage(db, row));
  const root = await lineageRoot(db, detail.stages);
  return {
    detail,
    stages,
    nodes: await listNodes(db),
    lineage: root === null ? null : await lineageOf(db, root),
    commit: await commitOf(db, detail.run.id),
    now,
  };
}

async function commitOf(db: Database, run: string): Promise<string | null> {
  const submitted = await eventsAfter(db, { run, types: ["run.submitted"] }, 0n, 1);
  return textOf(fields(submitted.events[0]?.data).commit);
}

async function gatherStage(db: Database, row: StageRow): Promise<StageReport> {
  // A stage whose outputs were taken from an earlier run is shown with that stage's curves and files.
  const stageId = row.cachedFrom ?? row.id;
  const attempts = await attemptsOf(db, stageId);
  const said = await eventsAfter(
    db,
    { run: row.cachedRun ?? row.runId, stageId, types: ["worker.started"] },
    0n,
    1000,
  );
  const started = fields(said.events.at(-1)?.data);
  return {
    ...emptyStage(row),
    attempts,
    series: await metricSeries(db, stageId, { shards: mostCurves }),
    files: { ...(await artifactFiles(row)), ...(await orderFile(attempts.at(-1)?.id)) },
    versions: {
      ...fields(started.versions),
      ...(typeof started.device === "string" ? { device: started.device } : {}),
    },
  };
}

async function artifactFiles(row: StageRow): Promise<Record<string, Fields>> {
  const parts = new Map<string, Fields[]>();
  for (const artifact of [...row.artifacts].sort((a, b) => a.shard - b.shard)) {
    for (const name of shownFiles[artifact.kind] ?? []) {
      const content = await readArtifactJson(artifact, name);
      const key = `${artifact.kind}/${name}`;
      if (content !== null) parts.set(key, [...(parts.get(key) ?? []), fields(content)]);
    }
  }
  return Object.fromEntries([...parts].map(([name, shards]) => [name, joinShardFiles(name, shards)]));
}

async function orderFile(attemptId: string | undefined): Promise<Record<string, Fields>> {
  const content =
    attemptId === undefined ? null : await readAttemptJson(workspace(), attemptId, "order/order.json");
  return content === null ? {} : { "order/order.json": fields(content) };
}
