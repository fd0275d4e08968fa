import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { readTimes, type Times } from "../../src/core/times.ts";
import { causeOf } from "../../src/worker/reasons.ts";
import { walkLog } from "../chaos/checks/log.ts";
import { faultKinds } from "../chaos/plan/types.ts";
import { decideAgain, type Unlogged } from "./decide-again.ts";
import { changesOf, decisionsOf, type LoggedDecision } from "./decisions.ts";
import { readLog, type StoredLog, specsOf } from "./log-file.ts";
import { textOf } from "./same-decision.ts";

const folder = join(packageRoot, "test", "replay", "logs");
const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
const logs = new Map(files.map((name) => [name, readLog(join(folder, name))]));

test.each(files)("%s: the rows it gives satisfy the invariants at every moment", (name) => {
  const { events, runs } = logs.get(name)!;
  expect(walkLog(events, specsOf(runs))).toEqual([]);
});

test.each(files)("%s: today's decide() makes every decision of it again", (name) => {
  expect(differentDecisions(logs.get(name)!)).toEqual([]);
});

/** Decisions of a log that today's decide() makes under none of what the log leaves open. */
function differentDecisions(log: StoredLog): string[] {
  const times = readTimes(log.about.times);
  return decisionsOf(log.events).flatMap((logged) => {
    const wanted = textOf(logged.events.map((event) => ({ ...event, changes: changesOf(event) })));
    const seen = new Set<string>();
    for (const text of candidates(log, logged, times)) {
      if (text === wanted) return [];
      seen.add(text);
    }
    return [`event ${logged.events[0]!.id}: ${wanted}\n  today: ${[...seen].join("\n  or: ")}`];
  });
}

function* candidates(log: StoredLog, logged: LoggedDecision, times: Times): Generator<string> {
  for (const before of logged.befores) {
    for (const unlogged of unloggedOf(log)) {
      const { actions } = decideAgain(log, logged, before, times, unlogged);
      yield textOf(actions.map(({ happening }) => happening).filter(({ runId }) => runId === logged.runId));
    }
  }
}

function unloggedOf({ nodes }: StoredLog): Unlogged[] {
  let subsets: string[][] = [[]];
  for (const { id } of nodes) subsets = subsets.flatMap((some) => [some, [...some, id]]);
  return subsets.flatMap((ids) => [false, true].map((fresh) => ({ silent: new Set(ids), fresh })));
}

test("the logs hold more than a hundred decisions, every kind of fault and the reasons of the table", () => {
  const all = [...logs.values()];
  const decisions = all.flatMap(({ events }) => decisionsOf(events));
  expect(decisions.length).toBeGreaterThan(120);
  expect(decisions.reduce((sum, { events }) => sum + events.length, 0)).toBeGreaterThan(250);
  const faults = new Set(all.flatMap(({ about }) => about.faults));
  expect(faultKinds.filter((kind) => !faults.has(kind))).toEqual([]);
  const reasons = new Set(
    all.flatMap(({ events }) => events.flatMap(({ data }) => (data as { reason?: string }).reason ?? [])),
  );
  // The stand-in has no order to refuse, nobody sets a time limit or stops it behind the back of all, and a stale epoch ends no
  // live attempt.
  const never = ["user_error", "resume_refused", "timeout", "stale_epoch", "stopped", "left_unasked"];
  expect(Object.keys(causeOf).filter((reason) => !reasons.has(reason) && !never.includes(reason))).toEqual(
    [],
  );
});

test("a log in which something was changed is noticed", () => {
  const { events, runs } = [...logs.values()][0]!;
  const twice = events.flatMap((event) => (event.type === "attempt.opened" ? [event, event] : [event]));
  expect(walkLog(twice, specsOf(runs)).length).toBeGreaterThan(0);
  const early = events.filter(({ type }) => type !== "worker.artifact");
  expect(walkLog(early, specsOf(runs)).length).toBeGreaterThan(0);
});

test("a decision that follows from other rows than those of the log is noticed", () => {
  const log = [...logs.values()][0]!;
  const unreported = log.events.filter(({ type }) => type !== "attempt.exited");
  expect(differentDecisions({ ...log, events: unreported }).length).toBeGreaterThan(0);
});
