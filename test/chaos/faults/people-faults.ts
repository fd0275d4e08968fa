import { cancelRun } from "../../../src/records/cancel.ts";
import { resumeRun } from "../../../src/records/resume.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { newRunOf } from "../plan/new-run.ts";
import { type Inject, picked } from "./types.ts";

const cancel: Inject = async ({ site, runs, patiently, wait }, fault) => {
  const run = picked(runs, fault);
  if (run === undefined || run === site.unreadable?.run) return false;
  const stages = await patiently(() => cancelRun(site.database, run, "chaos"));
  await wait(fault.ms);
  // Of a run that is still saving, only what has ended begins again; the rest is resumed at the end.
  if (fault.pick * 10 - Math.floor(fault.pick * 10) < 0.5 && run !== site.unreadable?.run)
    await patiently(() => resumeRun(site.database, run)).catch(refused);
  return stages.length > 0;
};

/** Somebody is not sure whether the first submit came through. */
const submitAgain: Inject = async ({ site, plan, runs, patiently }, fault) => {
  const run = picked(
    runs.filter((_, i) => plan.runs[i]!.twice),
    fault,
  );
  const which = runs.indexOf(run);
  if (run === undefined) return false;
  const again = await patiently(() =>
    submitRun(site.database, newRunOf(plan.runs[which]!, `key-${which}`, site.pace)),
  );
  if (again.run !== run || !again.attached) throw new Error(`the same key gave ${run} and then ${again.run}`);
  return true;
};

/** A stage that ended well is run again on purpose. */
const repeatStage: Inject = async ({ site, runs, patiently, find }, fault) => {
  const run = picked(runs, fault);
  if (run === undefined || run === site.unreadable?.run) return false;
  const ended = () =>
    patiently(() =>
      site.database.stage.findFirst({
        where: { runId: run, state: "SUCCEEDED" },
        orderBy: { position: "asc" },
      }),
    );
  const done = await find(async () => (await ended()) ?? undefined);
  if (!done || run === site.unreadable?.run) return false;
  return (
    (await patiently(() => resumeRun(site.database, run, { stages: [done.name] })).catch(refused)).length > 0
  );
};

/** A row of one run is not what it should be: all others go on, and that one does when it is mended. */
const unreadableRun: Inject = async ({ site, runs, patiently, find }, fault) => {
  const run = picked(runs, fault);
  if (run === undefined || site.unreadable !== undefined) return false;
  const { database } = site;
  const open = () =>
    patiently(() =>
      database.stage.findFirst({
        where: { runId: run, endedAt: null, desired: "RUN" },
        orderBy: { position: "desc" },
      }),
    );
  const victim = await find(async () => (await open()) ?? undefined);
  if (!victim || site.unreadable !== undefined) return false;
  const write = (spec: object) => database.stage.update({ where: { id: victim.id }, data: { spec } });
  site.unreadable = { run, mend: async () => void (await write(victim.spec as object)) };
  await patiently(() => write({ name: 7 }));
  return true;
};

/** It is behind a gate, or something works with what it made: it was told so, and nothing was done. */
function refused(error: unknown): string[] {
  if (["E_GATE_FAILED", "E_CONFLICT"].includes(String((error as { code?: unknown }).code))) return [];
  throw error;
}

export const peopleFaults = {
  cancel,
  "submit-again": submitAgain,
  "repeat-stage": repeatStage,
  "unreadable-run": unreadableRun,
} satisfies Record<string, Inject>;
