import { ExitCode } from "../../core/errors.ts";
import type { Gate, Run, Stage } from "../generated/client.ts";

/** What a run has come to; derived from its stages, never stored. */
export const RunState = {
  waiting: "waiting",
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  gateFailed: "gate_failed",
} as const;
export type RunState = (typeof RunState)[keyof typeof RunState];

export interface Verdict {
  run: string;
  state: RunState;
  /** True when no stage will change any more without a new command. */
  ended: boolean;
  /** Exit code of the commands that follow or judge the run. */
  exitCode: ExitCode;
  /** Name of the stage that decided a failure, and why. */
  stage: string | null;
  reason: string | null;
  message: string | null;
  startedAt: Date | null;
  endedAt: Date | null;
}

type StageLike = Pick<
  Stage,
  "name" | "state" | "reason" | "message" | "desired" | "startedAt" | "endedAt" | "position"
> & { gates: Pick<Gate, "passed">[] };

const final = new Set<Stage["state"]>(["SUCCEEDED", "SKIPPED", "FAILED", "CANCELLED"]);

/**
 * The verdict over a run's stages of the current generation. A failed stage decides over a cancelled one, because
 * the rest of a failed run is cancelled; a stage that failed by its gate ends the run with exit code 10. Stages after
 * `--until` are recorded as CANCELLED (not_requested) and decide nothing.
 */
export function verdictOf(run: Pick<Run, "id">, stages: StageLike[]): Verdict {
  const ended = stages.length > 0 && stages.every((stage) => final.has(stage.state));
  const failed = stages.filter((stage) => stage.state === "FAILED" && stage.reason !== "upstream_failed");
  const culprit =
    failed[0] ??
    stages.find((stage) => stage.state === "FAILED") ??
    stages.find(
      (stage) =>
        stage.state === "CANCELLED" && stage.reason !== "upstream_failed" && stage.reason !== "not_requested",
    );
  const state = stateOf(stages, ended, culprit);
  const times = (pick: (stage: StageLike) => Date | null) =>
    stages.flatMap((stage) => pick(stage)?.getTime() ?? []);
  const starts = times((stage) => stage.startedAt);
  const ends = times((stage) => stage.endedAt);
  return {
    run: run.id,
    state,
    ended,
    exitCode: exitOf[state],
    stage: culprit?.name ?? null,
    reason: culprit?.reason ?? null,
    message: culprit?.message ?? null,
    startedAt: starts.length > 0 ? new Date(Math.min(...starts)) : null,
    endedAt: ended && ends.length > 0 ? new Date(Math.max(...ends)) : null,
  };
}

function stateOf(stages: StageLike[], ended: boolean, culprit: StageLike | undefined): RunState {
  if (!ended) {
    const begun = stages.some((stage) => stage.state !== "PENDING" && stage.state !== "READY");
    return begun ? RunState.running : RunState.waiting;
  }
  if (culprit === undefined) return RunState.succeeded;
  if (culprit.state === "CANCELLED") return RunState.cancelled;
  return culprit.reason === "gate_failed" ? RunState.gateFailed : RunState.failed;
}

const exitOf: Record<RunState, ExitCode> = {
  waiting: ExitCode.stillRunning,
  running: ExitCode.stillRunning,
  succeeded: ExitCode.ok,
  failed: ExitCode.stageFailed,
  cancelled: ExitCode.cancelled,
  gate_failed: ExitCode.gateFailed,
};
