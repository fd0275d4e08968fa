import { LegaloneError } from "../../core/errors.ts";
import type { Database } from "../../records/database.ts";
import { latestMetrics } from "../../records/reads/metrics.ts";
import { phaseTexts } from "../../records/reads/phases.ts";
import { readQueue } from "../../records/reads/queue.ts";
import { listRuns, type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import { lookOf } from "../../views/look.ts";
import { type Live, nothingLive } from "../../views/stage-line.ts";
import { runList, runStatus } from "../../views/status.ts";
import { runListLines, runStatusLines } from "../../views/status-json.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

export interface StatusOptions {
  json?: boolean;
  exitCode?: boolean;
  limit: number;
  tag?: string[];
  pipeline?: string;
}

/** Without a run: the list. With one: its stages; with `exitCode` the process ends as the run did. */
export async function runStatusCommand(name: string | undefined, options: StatusOptions): Promise<void> {
  const { tag, pipeline } = options;
  const filtered = tag !== undefined || pipeline !== undefined;
  if (filtered && (name !== undefined || options.exitCode))
    throw new LegaloneError("E_USAGE", "--tag and --pipeline choose runs of the list, not one run", {
      hint: "legalone status --tag TAG lists them; legalone status RUN shows one.",
    });
  await withRecords(async (db) => {
    if (name === undefined && !options.exitCode) {
      const filter = { ...(tag ? { tags: tag } : {}), ...(pipeline === undefined ? {} : { pipeline }) };
      const runs = await listRuns(db, options.limit, filter);
      const queue = await readQueue(db);
      print(
        options.json ? runListLines(runs, queue) : runList(runs, lookOf(process.stdout), queue, filtered),
      );
      return;
    }
    const detail = await readRun(db, await resolveRunId(db, name), { all: options.json ?? false });
    const live = await liveMetrics(db, detail);
    const queue = await readQueue(db);
    print(
      options.json
        ? runStatusLines(detail, new Date(), live, queue)
        : runStatus(detail, lookOf(process.stdout), live, queue),
    );
    if (options.exitCode) process.exitCode = detail.verdict.exitCode;
  });
}

/** Last metrics of the attempts that are alive, and what they say they do. */
export async function liveMetrics(db: Database, { stages }: RunDetail): Promise<Live> {
  const ids = stages.flatMap(({ shards }) =>
    shards.flatMap(({ attempt }) => (attempt === null || attempt.endedAt !== null ? [] : [attempt.id])),
  );
  if (ids.length === 0) return nothingLive;
  const [metrics, doing] = await Promise.all([latestMetrics(db, ids), phaseTexts(db, ids)]);
  return { metrics, doing };
}
