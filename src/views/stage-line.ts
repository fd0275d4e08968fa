import type { StageRow } from "../records/reads/stages.ts";
import { words } from "./format.ts";
import { briefNumbers, metricsOf, showNumber } from "./key-numbers.ts";
import type { Colors } from "./look.ts";
import { type Pace, paceOf } from "./pace.ts";

/** What is known of live attempts beside their rows, by attempt id. */
export interface Live {
  /** Last metrics. */
  metrics: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** What they do in their phase, in their words. */
  doing: ReadonlyMap<string, string>;
}

export const nothingLive: Live = { metrics: new Map(), doing: new Map() };

/** One stage as every view tells it: the words, before any layout. */
export interface StageLine {
  name: string;
  kind: string;
  state: StageRow["state"];
  /** How it is shown: a stage whose gate did not hold looks failed, although its outputs are there. */
  outcome: StageRow["state"];
  /** What a person calls it now: `training`, `done`, `cached`, `waiting`, … */
  word: string;
  /** What it does in this phase, in the words of its worker; null where it says no more than the phase. */
  doing: string | null;
  reason: string | null;
  message: string | null;
  /** Wall time from its first start to its end, or to now. Null while nothing has started. */
  elapsedMs: number | null;
  /** What its work took: its own time, or that of the stage whose outputs a cached one uses. */
  workMs: number | null;
  /** Progress summed over shards; null where none was reported. */
  progress: { step: number; of: number; unit: string } | null;
  pace: Pace | null;
  /** Last values of live metrics. */
  live: ReadonlyMap<string, number>;
  /** Key numbers of the result, most telling first, as text. */
  numbers: string[];
  /** Run a SKIPPED stage's outputs came from. */
  cachedRun: string | null;
  /** The stage whose outputs a waiting one waits for. */
  waitsFor: string | null;
  shards: { done: number; of: number };
  /** Attempts beyond the first, over all shards. */
  retries: number;
  /** Newest committed checkpoint, as a step. */
  checkpoint: number | null;
}

export function stageLine(stage: StageRow, live: Live, now: Date): StageLine {
  const attempts = stage.shards.flatMap((shard) => (shard.attempt === null ? [] : [shard.attempt]));
  const running = attempts.filter((attempt) => attempt.endedAt === null);
  const lead = running.find((attempt) => attempt.step !== null) ?? running[0];
  const { counts } = stage;
  const progress = counts ? { step: counts.done, of: counts.of, unit: "shards" } : progressOf(stage);
  return {
    name: stage.name,
    kind: stage.kind,
    state: stage.state,
    outcome: gateFailed(stage) ? "FAILED" : stage.state,
    word: wordOf(stage),
    doing:
      stage.state === "RUNNING" && lead !== undefined
        ? (live.doing.get(lead.id)?.replaceAll(/\s+/g, " ") ?? null)
        : null,
    reason: stage.reason,
    message: stage.message,
    elapsedMs: elapsed(stage, now),
    workMs: stage.state === "SKIPPED" ? stage.cachedMs : elapsed(stage, now),
    progress: stage.state === "RUNNING" ? progress : null,
    // Of very many shards those that run say little about how long the others take.
    pace: lead === undefined || counts ? null : paceOf(lead),
    live: (lead === undefined ? undefined : live.metrics.get(lead.id)) ?? new Map(),
    numbers: briefNumbers(metricsOf(stage.result)).map(showNumber),
    cachedRun: stage.cachedRun,
    waitsFor: stage.state === "PENDING" ? stage.waitsFor : null,
    shards: counts ?? {
      done: stage.shards.filter((shard) => shard.state === "SUCCEEDED").length,
      of: stage.shards.length,
    },
    retries: counts?.retries ?? stage.shards.reduce((sum, shard) => sum + Math.max(0, shard.epoch - 1), 0),
    checkpoint: stage.checkpoint?.step ?? null,
  };
}

function elapsed(stage: StageRow, now: Date): number | null {
  if (stage.startedAt === null || stage.state === "SKIPPED") return null;
  return (stage.endedAt ?? now).getTime() - stage.startedAt.getTime();
}

function progressOf(stage: StageRow): StageLine["progress"] {
  const told = stage.shards.flatMap(({ attempt }) =>
    attempt?.step == null || attempt.of == null
      ? []
      : [{ step: attempt.step, of: attempt.of, unit: attempt.unit }],
  );
  if (told.length === 0) return null;
  const sum = (pick: (entry: { step: number; of: number }) => number) =>
    told.reduce((total, entry) => total + pick(entry), 0);
  return {
    step: sum((entry) => entry.step),
    of: sum((entry) => entry.of),
    unit: plural(told[0]!.unit ?? "step"),
  };
}

function plural(unit: string): string {
  return unit.endsWith("s") ? unit : `${unit}s`;
}

function wordOf(stage: StageRow): string {
  switch (stage.state) {
    case "PENDING":
      return "waiting";
    case "READY":
      return "ready";
    case "RUNNING":
      return runningWord(stage);
    case "SUCCEEDED":
      return gateFailed(stage) ? "gate failed" : "done";
    case "SKIPPED":
      return gateFailed(stage) ? "gate failed" : "cached";
    case "FAILED":
      return "failed";
    case "CANCELLED":
      return stage.reason === "cancelled" ? "cancelled" : "not run";
  }
}

function gateFailed(stage: StageRow): boolean {
  return stage.gates.some((gate) => !gate.passed);
}

function runningWord(stage: StageRow): string {
  const live = stage.shards.flatMap(({ attempt }) =>
    attempt === null || attempt.endedAt !== null ? [] : [attempt],
  );
  if (stage.desired === "STOP" || live.some((attempt) => attempt.state === "STOPPING")) return "stopping";
  if (live.some((attempt) => attempt.state === "UNREACHABLE")) return "unreachable";
  if (live.length === 0)
    return stage.shards.some((shard) => shard.notBefore !== null) ? "retrying" : "starting";
  const phase = live.find((attempt) => attempt.phase !== null)?.phase ?? null;
  if (phase !== null) return phase;
  return live.some((attempt) => attempt.state === "RUNNING") ? "running" : "starting";
}

const marks: Record<StageLine["state"], string> = {
  PENDING: "○",
  READY: "○",
  RUNNING: "●",
  SUCCEEDED: "✓",
  SKIPPED: "↺",
  FAILED: "✗",
  CANCELLED: "⊘",
};

/** The mark before a stage's name, in the colour of its state. */
export function mark({ outcome }: Pick<StageLine, "outcome">, colors: Colors): string {
  return paint(outcome, colors)(marks[outcome]);
}

export function paint(state: StageLine["state"], colors: Colors): (text: string) => string {
  switch (state) {
    case "SUCCEEDED":
      return colors.green;
    case "SKIPPED":
      return colors.cyan;
    case "RUNNING":
      return colors.yellow;
    case "FAILED":
      return colors.red;
    case "CANCELLED":
      return colors.magenta;
    case "PENDING":
    case "READY":
      return colors.dim;
  }
}

/** `reason` as people read it. */
export function reasonText(line: Pick<StageLine, "reason" | "message">): string {
  return [line.reason === null ? "" : words(line.reason), line.message ?? ""]
    .filter((part) => part !== "")
    .join(": ");
}
