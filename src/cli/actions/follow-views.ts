import { createLogUpdate } from "log-update";
import type { Event } from "../../records/reads/row-types.ts";
import type { RunDetail } from "../../records/reads/runs.ts";
import { eventJsonLines } from "../../views/logs.ts";
import { lookOf, shown } from "../../views/look.ts";
import { progressFrame, progressLines } from "../../views/progress.ts";
import { type Live, type StageLine, stageLine } from "../../views/stage-line.ts";
import { quarantineText, runHeading } from "../../views/status.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { summary } from "../../views/summary.ts";
import { note, print, printPage } from "./output.ts";

/** How a run is shown while it is followed. */
export interface FollowView {
  /** Types of event it shows, all when undefined; and how many of the past at first, all when undefined. */
  wants: { types: string[] | undefined; past: number | undefined };
  /** A page of events that it wants, before the look they came with. */
  events(detail: RunDetail, events: Event[], left: AbortSignal): Promise<void>;
  look(detail: RunDetail, live: Live): void;
  /** Something the follower depends on is away (a sentence), or all is well again (null). */
  notice(text: string | null): void;
  ended(detail: RunDetail): void;
  /** The user left; `detail` is null when nothing had been read yet. */
  detached(runId: string, detail: RunDetail | null): void;
  close(): void;
}

const warningsShown = 3;
const warnings = { types: ["worker.warning"], past: warningsShown };

/** Redraws the stages in place. */
export function terminalView(): FollowView {
  const draw = createLogUpdate(process.stdout);
  let lately: string[] = [];
  let trouble: string[] = [];
  return {
    wants: warnings,
    async events(detail, events) {
      lately = [...lately, ...warningsOf(detail, events)].slice(-warningsShown);
    },
    look(detail, live) {
      draw(shown(progressFrame(detail, lookOf(process.stdout), live, [...lately, ...trouble])));
    },
    notice(text) {
      trouble = text === null ? [] : [text];
    },
    ended(detail) {
      draw.clear();
      print(summary(detail, lookOf(process.stdout)));
    },
    detached: leaveWord,
    close: () => draw.done(),
  };
}

/** In a log nothing can be drawn anew: how a running stage stands is told this often. */
const tellEveryMs = 30_000;

/** Lines that stay: what changed, and now and then where a stage stands. */
export function plainView(): FollowView {
  let before: StageLine[] | null = null;
  let begun = false;
  let toldAt = Date.now();
  const begin = (detail: RunDetail) => {
    if (!begun) print(runHeading(detail, lookOf(process.stdout)));
    begun = true;
  };
  let toldTrouble: string | null = null;
  return {
    wants: warnings,
    notice: (text) => print(`! ${text ?? "All answers again."}`),
    async events(detail, events) {
      begin(detail);
      for (const text of warningsOf(detail, events)) print(`! ${text}`);
    },
    look(detail, live) {
      begin(detail);
      const look = lookOf(process.stdout);
      const now = detail.stages.map((stage) => stageLine(stage, live, look.now));
      const trouble = detail.quarantine === null ? null : detail.quarantine.error;
      if (detail.quarantine !== null && trouble !== toldTrouble)
        print(quarantineText(detail.quarantine, look));
      toldTrouble = trouble;
      const due = Date.now() - toldAt >= tellEveryMs;
      if (due) toldAt = Date.now();
      for (const line of progressLines(before ?? [], now, due, look)) print(line);
      before = now;
    },
    ended: (detail) => print(`\n${summary(detail, lookOf(process.stdout))}`),
    detached: leaveWord,
    close: () => undefined,
  };
}

/** Every event as a line; the last line is the verdict. */
export function jsonView(): FollowView {
  return {
    wants: { types: undefined, past: undefined },
    notice: (message) => print(jsonLines([{ type: "notice", message }])),
    events: (detail, events, left) =>
      printPage(
        eventJsonLines(events, (id) => stageName(detail, id)),
        left,
      ),
    look: () => undefined,
    ended: (detail) => print(jsonLines([verdictJson(detail)])),
    detached: (runId, detail) =>
      print(
        jsonLines([detail === null ? { type: "verdict", run: runId, exitCode: 6 } : verdictJson(detail)]),
      ),
    close: () => undefined,
  };
}

function leaveWord(runId: string): void {
  note(
    `\nLeft run ${runId}; it goes on.\n  legalone watch ${runId}    come back to it\n  legalone status ${runId}   one look\n  legalone cancel ${runId}   stop it`,
  );
}

function warningsOf(detail: RunDetail, events: Event[]): string[] {
  return events.flatMap((event) => {
    if (
      event.type !== "worker.warning" ||
      event.data === null ||
      typeof event.data !== "object" ||
      Array.isArray(event.data)
    )
      return [];
    return [`${stageName(detail, event.stageId) ?? detail.run.id}: ${String(event.data.message)}`];
  });
}

function stageName(detail: RunDetail, stageId: string | null): string | null {
  return detail.stages.find((stage) => stage.id === stageId)?.name ?? null;
}
