import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { unknownName } from "../../core/suggest.ts";
import { type Database, isUnreachable } from "../../records/database.ts";
import { type LoggedStep, loggedSteps } from "../../records/reads/metrics.ts";
import { NewEvents } from "../../records/reads/new-events.ts";
import type { Event } from "../../records/reads/row-types.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import { attemptsOf, type StageRow } from "../../records/reads/stages.ts";
import { eventJsonLines, eventLine, stepLine } from "../../views/logs.ts";
import { lookOf } from "../../views/look.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { secretsOf } from "../debug/secrets.ts";
import { Detach } from "./detach.ts";
import { Outage } from "./outage.ts";
import { note, print, printPage } from "./output.ts";
import { withRecords } from "./records.ts";
import { WorkerOutput } from "./worker-output.ts";

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
  throw unknownName("E_NOT_FOUND", `stage of run ${detail.run.id}`, name, names);
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
  // A stage that is begun again gets another id: names are looked up as they come.
  let stages = detail.stages;
  const nameOf = (id: string | null) =>
    id === null ? null : (stages.find((row) => row.id === id)?.name ?? stageNameIn(id));
  const events = new NewEvents(db, { run: detail.run.id, stageId: stage?.id }, options.tail);
  // Losses are no events: their steps are told between the events, from the first that is shown on.
  const told = new Set<string>();
  let since: Date | undefined;
  const newSteps = async (from: Date, until: Date) => {
    since ??= from;
    const shown = stage === undefined ? stages : stages.filter(({ name }) => name === stage.name);
    const ids = shown.map(({ id, cachedFrom }) => cachedFrom ?? id);
    const keyOf = ({ attemptId, step }: LoggedStep) => `${attemptId} ${step}`;
    const found = await loggedSteps(db, ids, { most: options.tail, since, until });
    const fresh = found.filter((step) => !told.has(keyOf(step)));
    for (const step of fresh) told.add(keyOf(step));
    return fresh;
  };
  const show = async (pages: AsyncIterable<Event[]>, detach?: Detach) => {
    const look = lookOf(process.stdout);
    const stepText = (step: LoggedStep) => ({
      at: step.at,
      text: stepLine(step, nameOf(step.stageId), look),
    });
    for await (const page of pages) {
      if (options.json) await printPage(eventJsonLines(page, nameOf), detach?.signal);
      else {
        const steps = await newSteps(page[0]!.at, page.at(-1)!.at);
        const lines = [
          ...page.map((event) => ({ at: event.at, text: eventLine(event, nameOf(event.stageId), look) })),
          ...steps.map(stepText),
        ].sort((a, b) => a.at.getTime() - b.at.getTime());
        await printPage(lines.map(({ text }) => text).join("\n"), detach?.signal);
      }
      if (detach?.asked) return;
    }
    const later = options.json || since === undefined ? [] : await newSteps(since, new Date("9999-01-01"));
    if (later.length > 0)
      await printPage(later.map((step) => stepText(step).text).join("\n"), detach?.signal);
  };
  await show(events.next());
  await followWhile(options, async (detach) => {
    // The run first: an end that is seen has all its events behind it.
    const now = await readRun(db, detail.run.id);
    stages = now.stages;
    await show(events.next(), detach);
    return !hasEnded(now, stage);
  });
  if (options.json) print(jsonLines([verdictJson(await readRun(db, detail.run.id))]));
}

/** `<run>-<name>-g<generation>`: a generation that came after the last look. */
function stageNameIn(id: string): string {
  return id.replace(/^[^-]+-/, "").replace(/-g\d+$/, "");
}

async function workerOutput(
  db: Database,
  detail: RunDetail,
  stage: StageRow,
  options: LogOptions,
): Promise<void> {
  const output = new WorkerOutput(options, secretsOf(detail.run, workspace()));
  const attempt = (await attemptsOf(db, stage.cachedFrom ?? stage.id)).at(-1);
  if (attempt === undefined && !options.follow) {
    throw new LegaloneError("E_NOT_FOUND", `Stage ${stage.name} has had no attempt yet.`, {
      hint: `legalone status ${detail.run.id}`,
    });
  }
  if (attempt !== undefined) output.begin(attempt, options.tail);
  if (!options.follow && attempt !== undefined && !output.isHere()) {
    throw new LegaloneError(
      "E_NOT_FOUND",
      `The output of ${attempt.id} is not in this workspace; it ran on ${attempt.nodeId ?? "no node"}.`,
      { hint: `Look into attempts/${attempt.id}/ of the workspace there.` },
    );
  }
  await followWhile(options, async () => {
    const now = await readRun(db, detail.run.id);
    const newest = (await attemptsOf(db, stage.cachedFrom ?? stage.id)).at(-1);
    output.more();
    // Another attempt took over: the rest of the old one has been shown.
    if (newest !== undefined && newest.id !== output.attempt) output.begin(newest, Number.MAX_SAFE_INTEGER);
    return !hasEnded(now, stage);
  });
  output.end();
  if (options.json) print(jsonLines([verdictJson(await readRun(db, detail.run.id))]));
}

/**
 * Repeats `look` every half second with `--follow`, until it answers false or the user leaves. While the database or the
 * control plane is away it says so and waits.
 */
async function followWhile(options: LogOptions, look: (detach: Detach) => Promise<boolean>): Promise<void> {
  if (!options.follow) return;
  const detach = new Detach();
  const outage = new Outage((text) => {
    if (options.json) print(jsonLines([{ type: "notice", message: text }]));
    else note(`! ${text ?? "All answers again."}`);
  });
  try {
    while (!detach.asked) {
      try {
        if (!(await look(detach))) return;
        await outage.databaseAnswered();
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        outage.databaseAway(error);
      }
      await sleep(500, undefined, { signal: detach.signal }).catch(() => undefined);
    }
  } finally {
    detach.close();
  }
}

function hasEnded(detail: RunDetail, stage: StageRow | undefined): boolean {
  if (detail.verdict.ended) return true;
  return stage !== undefined && (detail.stages.find((row) => row.id === stage.id)?.endedAt ?? null) !== null;
}
