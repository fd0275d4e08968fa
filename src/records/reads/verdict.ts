import { ExitCode } from "../../core/errors.ts";
import { fieldsOf } from "../../core/recorded.ts";
import { measured } from "../../core/text.ts";
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
  "name" | "state" | "reason" | "message" | "startedAt" | "endedAt" | "position" | "spec"
> & { gates: readonly Pick<Gate, "metric" | "comparison" | "against" | "value" | "threshold" | "passed">[] };

interface Culprit {
  state: RunState;
  stage: string;
  reason: string | null;
  message: string | null;
}

/** Reasons of stages that others took along: they decide nothing. */
const takenAlong = new Set(["upstream_failed", "gate_failed", "not_requested"]);

/**
 * The verdict over a run's stages of the current generation. A failed stage decides before a gate that did not hold,
 * and both before a cancelled stage. Stages after `--until` are recorded as CANCELLED (not_requested) and decide nothing.
 */
export function verdictOf(run: Pick<Run, "id" | "createdAt">, stages: StageLike[]): Verdict {
  // Gates of a run that was cancelled in quarantine are never measured.
  const cancelled = stages.some(({ state, reason }) => state === "CANCELLED" && reason === "cancelled");
  const ended =
    stages.length > 0 && stages.every((stage) => hasEnded(stage) || (cancelled && stage.endedAt !== null));
  const begun = stages.some((stage) => stage.startedAt !== null || stage.state === "SKIPPED");
  const culprit = failedStage(stages) ?? failedGate(stages) ?? (ended ? cancelledStage(stages) : null);
  const state = ended ? (culprit?.state ?? RunState.succeeded) : begun ? RunState.running : RunState.waiting;
  const ends = stages.flatMap((stage) => stage.endedAt?.getTime() ?? []);
  return {
    run: run.id,
    state,
    ended,
    exitCode:
      state === RunState.failed && culprit?.reason === "resume_refused" ? ExitCode.refused : exitOf[state],
    stage: culprit?.stage ?? null,
    reason: culprit?.reason ?? null,
    message: culprit?.message ?? null,
    startedAt: begun || ended ? run.createdAt : null,
    endedAt: ended && ends.length > 0 ? new Date(Math.max(...ends)) : null,
  };
}

/** A stage that ended well has ended only when its gates are measured: they decide about the run. */
function hasEnded(stage: StageLike): boolean {
  if (stage.state === "FAILED" || stage.state === "CANCELLED") return true;
  if (stage.state !== "SUCCEEDED" && stage.state !== "SKIPPED") return false;
  const { gates } = fieldsOf(stage.spec);
  const declared = Array.isArray(gates) ? gates.length : 0;
  return stage.gates.length >= declared;
}

function failedStage(stages: StageLike[]): Culprit | null {
  const failed = stages.find((stage) => stage.state === "FAILED");
  return failed === undefined ? null : { ...blame(failed), state: RunState.failed };
}

function failedGate(stages: StageLike[]): Culprit | null {
  for (const stage of stages) {
    const failed = stage.gates.filter((one) => !one.passed);
    if (failed.length === 0) continue;
    const told = failed.map(({ metric, comparison, against, value, threshold }) => {
      const limit = threshold === null ? "nothing" : measured(threshold, value);
      return `${metric} ${comparison} ${against} did not hold: ${measured(value, threshold)} against ${limit}`;
    });
    const message = told.join("; ");
    return { state: RunState.gateFailed, stage: stage.name, reason: "gate_failed", message };
  }
  return null;
}

function cancelledStage(stages: StageLike[]): Culprit | null {
  const cancelled = stages.filter((stage) => stage.state === "CANCELLED");
  const first = cancelled.find((stage) => !takenAlong.has(stage.reason ?? ""));
  return first === undefined ? null : { ...blame(first), state: RunState.cancelled };
}

function blame({ name, reason, message }: StageLike): Omit<Culprit, "state"> {
  return { stage: name, reason, message };
}

const exitOf: Record<RunState, ExitCode> = {
  waiting: ExitCode.stillRunning,
  running: ExitCode.stillRunning,
  succeeded: ExitCode.ok,
  failed: ExitCode.stageFailed,
  cancelled: ExitCode.cancelled,
  gate_failed: ExitCode.gateFailed,
};
