import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import type { Database } from "../../records/database.ts";
import { eventsAfter, lastEvents } from "../../records/reads/events.ts";
import type { Event } from "../../records/reads/row-types.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import { attemptsOf, type StageRow } from "../../records/reads/stages.ts";
import { eventJsonLines, eventLine } from "../../views/logs.ts";
import { lookOf } from "../../views/look.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { Detach } from "./detach.ts";
import { note, print } from "./output.ts";
import { withRecords } from "./records.ts";
import { TextTail } from "./text-tail.ts";

export interface LogOptions {
  json?: boolean;
  follow?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  tail: number;
}

/** Prints the events of a run or of one of its stages, or what a stage's worker wrote to its output files. */
export async function logs(
  runName: string | undefined,
  stageName: string | undefined,
  options: LogOptions,
): Promise<void> {
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, runName));
    const stage = stageName === undefined ? undefined : stageOf(detail, stageName);
    if (options.stdout || options.stderr) {
      await workerOutput(db, detail, stage ?? lastActive(detail), options);
    } else await eventLog(db, detail, stage, options);
  });
}

/** The stage of that name. @throws E_NOT_FOUND with the names there are */
export function stageOf(detail: RunDetail, name: string): StageRow {
  const found = detail.stages.find((stage) => stage.name === name);
  if (found !== undefined) return found;
  const names = detail.stages.map((stage) => stage.name);
  throw new LegaloneError("E_NOT_FOUND", `Run ${detail.run.id} has no stage ${name}.`, {
    hint: `Its stages: ${names.join(", ")}`,
    fields: { near: names },
  });
}

function lastActive(detail: RunDetail): StageRow {
  const started = detail.stages.filter((stage) => stage.startedAt !== null && stage.state !== "SKIPPED");
  const found =
    started.find((stage) => stage.state === "FAILED" || stage.state === "RUNNING") ?? started.at(-1);
  if (found !== undefined) return found;
  throw new LegaloneError("E_NOT_FOUND", `No stage of run ${detail.run.id} has started a worker.`, {
    hint: `legalone status ${detail.run.id}`,
  });
}

async function eventLog(
  db: Database,
  detail: RunDetail,
  stage: StageRow | undefined,
  options: LogOptions,
): Promise<void> {
  const names = new Map(detail.stages.map((row) => [row.id, row.name]));
  const nameOf = (id: string | null) => (id === null ? null : (names.get(id) ?? id));
  const filter = { run: detail.run.id, stageId: stage?.id };
  const show = (events: Event[]) => {
    if (events.length === 0) return;
    const look = lookOf(process.stdout);
    print(
      options.json
        ? eventJsonLines(events, nameOf)
        : events.map((event) => eventLine(event, nameOf(event.stageId), look)).join("\n"),
    );
  };
  let page = await lastEvents(db, filter, options.tail);
  show(page.events);
  let last = page.last;
  await followWhile(options, async () => {
    page = await eventsAfter(db, filter, last);
    last = page.last;
    show(page.events);
    return !(await hasEnded(db, detail.run.id, stage));
  });
  if (options.json) print(jsonLines([verdictJson(await readRun(db, detail.run.id))]));
}

async function workerOutput(
  db: Database,
  detail: RunDetail,
  stage: StageRow,
  options: LogOptions,
): Promise<void> {
  const attempt = (await attemptsOf(db, stage.cachedFrom ?? stage.id)).at(-1);
  if (attempt === undefined) {
    throw new LegaloneError("E_NOT_FOUND", `Stage ${stage.name} has had no attempt yet.`, {
      hint: `legalone status ${detail.run.id}`,
    });
  }
  const files = [...(options.stdout ? ["stdout.log"] : []), ...(options.stderr ? ["stderr.log"] : [])];
  const tails = files.map((file) => new TextTail(`${workspace()}/attempts/${attempt.id}/${file}`));
  if (tails.every((tail) => !tail.exists())) {
    throw new LegaloneError(
      "E_NOT_FOUND",
      `The output of ${attempt.id} is not in this workspace; it ran on ${attempt.nodeId ?? "no node"}.`,
      {
        hint: `Look into attempts/${attempt.id}/ of the workspace there.`,
      },
    );
  }
  note(`${attempt.id} on ${attempt.nodeId ?? "?"}`);
  for (const tail of tails) process.stdout.write(tail.lastLines(options.tail));
  await followWhile(options, async () => {
    for (const tail of tails) process.stdout.write(tail.next());
    return !(await hasEnded(db, detail.run.id, stage));
  });
}

/** Repeats `look` every half second with `--follow`, until it answers false or the user leaves. */
async function followWhile(options: LogOptions, look: () => Promise<boolean>): Promise<void> {
  if (!options.follow) return;
  const detach = new Detach();
  try {
    while (!detach.asked && (await look()))
      await sleep(500, undefined, { signal: detach.signal }).catch(() => undefined);
  } finally {
    detach.close();
  }
}

async function hasEnded(db: Database, runId: string, stage: StageRow | undefined): Promise<boolean> {
  const detail = await readRun(db, runId);
  if (detail.verdict.ended) return true;
  return stage !== undefined && (detail.stages.find((row) => row.id === stage.id)?.endedAt ?? null) !== null;
}
