import { setTimeout as sleep } from "node:timers/promises";
import { ExitCode } from "../../core/errors.ts";
import { type Database, isUnreachable } from "../../records/database.ts";
import { eventsAfter } from "../../records/reads/events.ts";
import { type RunDetail, readRun } from "../../records/reads/runs.ts";
import { Detach } from "./detach.ts";
import { type FollowView, jsonView, plainView, terminalView } from "./follow-views.ts";
import { liveMetrics } from "./status.ts";

/** Between two looks at the records. A person sees seconds; a log does not need them. */
const lookEveryMs = { terminal: 500, plain: 1000 };

/** The database may be restarted under a follower; longer than this and it gives up. */
const outagePatienceMs = 60_000;

/**
 * Shows a run until it ends and returns its exit code. The first Ctrl-C leaves it running (exit code 6); a second one
 * ends the process at once.
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
    const detail = await watchRun(
      db,
      runId,
      view,
      detach,
      terminal ? lookEveryMs.terminal : lookEveryMs.plain,
    );
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
  let last = 0n;
  let detail: RunDetail | null = null;
  let outageSince: number | null = null;
  while (!detach.asked) {
    try {
      const page = await eventsAfter(db, { run: runId }, last);
      detail = await readRun(db, runId);
      last = page.last;
      outageSince = null;
      view.look(detail, await liveMetrics(db, detail), page.events);
      if (detail.verdict.ended) return detail;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      outageSince ??= Date.now();
      if (Date.now() - outageSince > outagePatienceMs) throw error;
    }
    await sleep(everyMs, undefined, { signal: detach.signal }).catch(() => undefined);
  }
  return detail;
}
