import { type Cause, causeOf, isReason, type Reason, reasonOfExitCode } from "./reasons.ts";

/** What is known when a worker is gone. */
export interface End {
  /** Of exit.json: exactly one of code and signal is set. Null when there is no exit.json. */
  exit: { code: number | null; signal: string | null } | null;
  /** The worker's last `result` event, if it wrote one. */
  lastResult: { status: "succeeded" | "failed" | "stopped"; reason?: string; message?: string } | null;
  /** Why it was asked to stop, or null when nobody asked. */
  stopRequested: Reason | null;
  /** No process and no exit.json. */
  lost: boolean;
}

/** How an attempt ended: the final state of its row, its reason and cause, and a sentence where one helps. */
export interface Ending {
  state: "SUCCEEDED" | "FAILED" | "LOST" | "STOPPED";
  reason: Reason;
  cause: Cause | null;
  message?: string;
}

/**
 * Names the end of a worker. Pure. The first that applies holds:
 * a success it declared, unless it then left with an error code; the stop somebody asked for, or that nobody did; the
 * failure it declared; the signal or exit code it ended with; lost.
 */
export function classifyEnd({ exit, lastResult, stopRequested, lost }: End): Ending {
  const code = exit?.code ?? null;
  const signal = exit?.signal ?? null;
  // Its outputs were committed before that line. What kills an interpreter on its way out costs nothing.
  if (lastResult?.status === "succeeded" && (code === null || code === 0))
    return ending("SUCCEEDED", "completed");

  const stopped = code === 75 || lastResult?.status === "stopped";
  if (stopped && stopRequested !== null) return ending("STOPPED", stopRequested);
  // Something at the node sent a TERM, or it never means to end: tried again, but not for ever.
  if (stopped)
    return ending("FAILED", "left_unasked", "it saved and left, although nobody here asked it to stop");
  const declared = lastResult?.status === "failed";
  if (stopRequested !== null && !declared && (signal !== null || lost || code === 143 || code === 0))
    return ending("STOPPED", stopRequested, "it ended without saving, after it was asked to stop");

  if (declared) return ending("FAILED", failureOf(lastResult?.reason, code), lastResult?.message);
  if (signal !== null) return ending("FAILED", "killed", `ended by ${signal}, which nobody here sent`);
  if (code === 0)
    return ending("FAILED", "crashed", "exit code 0, but no result event: its outputs are not complete");
  if (code !== null)
    return ending("FAILED", reasonOfExitCode(code), `exit code ${code} without a result event`);
  return ending("LOST", "lost", "no process and no exit.json: the machine or the shim was killed");
}

/** A failure's own word, where it is one of the table and not a success. */
function failureOf(word: string | undefined, code: number | null): Reason {
  if (word !== undefined && isReason(word) && word !== "completed") return word;
  const reason = code === null ? "crashed" : reasonOfExitCode(code);
  return reason === "completed" ? "crashed" : reason;
}

function ending(state: Ending["state"], reason: Reason, message?: string): Ending {
  const cause = causeOf[reason];
  return message === undefined ? { state, reason, cause } : { state, reason, cause, message };
}
