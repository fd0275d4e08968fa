import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import type { Happening } from "../core/changes.ts";
import type { ArtifactRow, AttemptRow, RunRow, StageResult, StageRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";

/** A stage that succeeded before with the same cache key. */
export interface CacheHit {
  stageId: string;
  result: StageResult | null;
  artifacts: ArtifactRow[];
}

/** What was looked up outside the rows. */
export interface Observations {
  /** By cache key: the stage to take over, or null when there is none; absent: not looked up yet. */
  cache: ReadonlyMap<string, CacheHit | null>;
  /** Since when this reconciler has been heard by agents: silence before that is its own, not theirs. */
  since: Date;
}

/** How an attempt ended. */
export interface Ending {
  state: "SUCCEEDED" | "FAILED" | "LOST" | "STOPPED";
  reason: string;
  cause: string | null;
  message?: string;
}

/** What the decisions depend on besides rows and time. */
export interface Policy {
  times: Times;
  /** Names the end of an attempt whose process is gone. */
  endingOf(attempt: AttemptRow): Ending;
  /** Queue on which the agent of a node is called. */
  nodeQueue(node: string): string;
}

/** A bell to ring once the change is committed; `key` is unique within its topic. */
export interface Bell {
  topic: string;
  key: string;
}

/** Something decided: what happens, with its changes, and whom to call. */
export interface Action {
  happening: Happening;
  bells: Bell[];
}

export interface Decision {
  actions: Action[];
  /** Cache keys to look up before deciding again. */
  lookups: string[];
  /** When a back-off ends, so that nothing waits for the next regular look. */
  wakeAt: Date | null;
}

/** The resolved stage of a row. */
export function specOf(stage: StageRow): ResolvedStage {
  return stage.spec as ResolvedStage;
}

/** What the stages of a run share. */
export function pipelineOf(run: RunRow): ResolvedPipeline {
  return run.config as ResolvedPipeline;
}
