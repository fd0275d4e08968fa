import { ExitCode } from "./errors.ts";
import type { StageState } from "./rows.ts";

/** What a run has come to. */
export const RunState = {
  waiting: "waiting",
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  gateFailed: "gate_failed",
} as const;
export type RunState = (typeof RunState)[keyof typeof RunState];

/** A stage of the newest generation, as far as it decides about its run. */
export interface StageOutcome {
  state: StageState;
  reason: string | null;
  gates: readonly { passed: boolean }[];
}

const ended: ReadonlySet<StageState> = new Set(["SUCCEEDED", "SKIPPED", "FAILED", "CANCELLED"]);

/**
 * The state of a run, derived from its stages and their gates, never stored. A failed stage decides over a gate that
 * did not hold, and that over a cancelled stage, because the rest of a failed run is cancelled. Stages that were not
 * requested (`--until`) decide nothing.
 */
export function runStateOf(stages: readonly StageOutcome[]): RunState {
  const wanted = stages.filter((stage) => stage.reason !== "not_requested");
  if (!wanted.every((stage) => ended.has(stage.state))) {
    const begun = wanted.some((stage) => stage.state !== "PENDING" && stage.state !== "READY");
    return begun ? RunState.running : RunState.waiting;
  }
  if (wanted.some((stage) => stage.state === "FAILED")) return RunState.failed;
  if (wanted.some((stage) => stage.gates.some((gate) => !gate.passed))) return RunState.gateFailed;
  if (wanted.some((stage) => stage.state === "CANCELLED")) return RunState.cancelled;
  return RunState.succeeded;
}

/** Exit code of the commands that follow or judge a run in this state. */
export const exitCodeOf: Readonly<Record<RunState, ExitCode>> = {
  waiting: ExitCode.stillRunning,
  running: ExitCode.stillRunning,
  succeeded: ExitCode.ok,
  failed: ExitCode.stageFailed,
  cancelled: ExitCode.cancelled,
  gate_failed: ExitCode.gateFailed,
};
