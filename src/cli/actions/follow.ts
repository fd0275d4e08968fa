import { setTimeout as sleep } from "node:timers/promises";
import { ExitCode } from "../../core/errors.ts";
import { type Database, isUnreachable } from "../../records/database.ts";
import { NewEvents } from "../../records/reads/new-events.ts";
import { type RunDetail, readRun } from "../../records/reads/runs.ts";
import { Detach } from "./detach.ts";
import { type FollowView, jsonView, plainView, terminalView } from "./follow-views.ts";
import { Outage } from "./outage.ts";
import { liveMetrics } from "./status.ts";

/** Between two looks at the records. A person sees seconds; a log does not need them. */
const lookEveryMs = { terminal: 500, plain: 1000 };

/**
 * Shows a run until it ends and returns its exit code. The first Ctrl-C leaves it running (exit code 6); a second one
 * ends the process at once. While the database or the control plane is away it says so and waits.
 * @throws E_DATABASE when the database stays away
 */
export async function follow(
  db: Database,
  runId: string,
  { json = false }: { json?: boolean | undefined },
): Promise<ExitCode> {
  const terminal = !json && process.stdout.isTTY === true;
  const view = json ? jsonView() : terminal ? terminalView() : plainView();
  const detach = new Detach();
  try {
    const detail = await watchRun(db, runId, view, detach, lookEveryMs[terminal ? "terminal" : "plain"]);
    if (detail === null || !detail.verdict.ended) {
      view.detached(runId, detail);
      return ExitCode.stillRunning;
    }
    view.ended(detail);
    return detail.verdict.exitCode;
  } finally {
    view.close();
    detach.close();
  }
}

/** The run as last seen: ended, or still running when the user left. */
async function watchRun(
  db: Database,
  runId: string,
  view: FollowView,
  detach: Detach,
  everyMs: number,
): Promise<RunDetail | null> {
  const outage = new Outage((text) => view.notice(text));
  const events = new NewEvents(db, { run: runId, types: view.wants.types }, view.wants.past);
  let detail: RunDetail | null = null;
  while (!detach.asked) {
    try {
      // The run first: an end that is seen has all its events behind it.
      detail = await readRun(db, runId);
      for await (const page of events.next()) {
        await view.events(detail, page, detach.signal);
        if (detach.asked) return detail;
      }
      view.look(detail, await liveMetrics(db, detail));
      if (detail.verdict.ended) return detail;
      await outage.databaseAnswered();
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      outage.databaseAway(error);
    }
    await sleep(everyMs, undefined, { signal: detach.signal }).catch(() => undefined);
  }
  return detail;
}
