import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import type { Happening } from "../core/changes.ts";
import { recordedConfig, recordedSpec } from "../core/recorded.ts";
import type { ArtifactRow, AttemptRow, RunRow, StageResult, StageRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";

/** A stage that succeeded before with the same cache key. */
export interface CacheHit {
  stageId: string;
  result: StageResult | null;
  artifacts: ArtifactRow[];
}

/** How long somebody has said nothing, as far as this serve was there to hear it (silence.ts), in milliseconds. */
export interface Silence {
  /** By attempt: since its last line, or its dispatch. */
  attempts: ReadonlyMap<string, number>;
  /** By attempt: since its last step, or its last phase. */
  steps: ReadonlyMap<string, number>;
  /** By node: since its agent asked last. */
  nodes: ReadonlyMap<string, number>;
}

/** What was looked up outside the rows. */
export interface Observations {
  /**
   * By cache key: the stage to take over, or null when there is none; an error where that cannot be looked up; absent:
   * not looked up yet.
   */
  cache: ReadonlyMap<string, CacheHit | null | Error>;
  silence: Silence;
  /** Runs about which nothing is decided now; what they hold stays taken. */
  aside: ReadonlySet<string>;
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

/** Does what is to be done about one run, whose error it stays. */
export type Within = (runId: string, work: () => void) => void;

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
  /** Something waits for what is decided here to be committed: to be looked at again at once. */
  again: boolean;
  /** Runs whose decision failed, and how: nothing of theirs is among the actions. */
  faults: ReadonlyMap<string, Error>;
  /** Attempts that would be given up, had not most nodes fallen silent together. */
  held: { attempt: AttemptRow; stage: StageRow }[];
}

/** The resolved stage of a row. @throws LegaloneError when it is none: then nothing can be decided about its run */
export function specOf(stage: Pick<StageRow, "name" | "spec">): ResolvedStage {
  return recordedSpec(stage);
}

/** What the stages of a run share. @throws LegaloneError when its configuration is none */
export function pipelineOf(run: Pick<RunRow, "id" | "config">): ResolvedPipeline {
  return recordedConfig(run);
}
