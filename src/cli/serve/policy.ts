import type { AttemptRow } from "../../core/rows.ts";
import type { Times } from "../../core/times.ts";
import { nodeQueue } from "../../dispatch/doorbell/doorbell.ts";
import { classifyEnd } from "../../worker/classify-end.ts";
import { isReason } from "../../worker/reasons.ts";
import type { Ending, Policy } from "../../workflow/types.ts";

/** What the workflow decides by: the times in force, how ends of workers are named, where agents are called. */
export function policyOf(times: Times): Policy {
  return { times, endingOf, nodeQueue };
}

/** Names the end of an attempt whose agent said that its process is gone. */
export function endingOf(attempt: AttemptRow): Ending {
  const { exitCode: code, signal, stopReason } = attempt;
  const lost = code === null && signal === null && attempt.result?.status !== "failed";
  return classifyEnd({
    exit: code === null && signal === null ? null : { code, signal },
    lastResult: attempt.result,
    stopRequested: stopReason !== null && isReason(stopReason) ? stopReason : null,
    lost,
  });
}
