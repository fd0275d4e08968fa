import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classifyEnd, type End } from "../../src/worker/classify-end.ts";
import { causeOf, type Reason } from "../../src/worker/reasons.ts";

const none: End = { exit: null, lastResult: null, stopRequested: null, lost: false };
const code = (value: number) => ({ code: value, signal: null });
const signal = (name: string) => ({ code: null, signal: name });
const result = (status: "succeeded" | "failed" | "stopped", reason?: string) => ({
  status,
  ...(reason === undefined ? {} : { reason, message: "said so" }),
});

describe("how an attempt ended", () => {
  test.each<[string, Partial<End>, string, Reason]>([
    ["success and exit 0", { exit: code(0), lastResult: result("succeeded") }, "SUCCEEDED", "completed"],
    [
      "success, then killed on its way out",
      { exit: signal("SIGSEGV"), lastResult: result("succeeded") },
      "SUCCEEDED",
      "completed",
    ],
    [
      "success, then the machine died",
      { lost: true, lastResult: result("succeeded") },
      "SUCCEEDED",
      "completed",
    ],
    [
      "success while it was asked to stop",
      { exit: code(0), lastResult: result("succeeded"), stopRequested: "cancelled" },
      "SUCCEEDED",
      "completed",
    ],
    ["success, then an error code", { exit: code(70), lastResult: result("succeeded") }, "FAILED", "crashed"],
    ["exit 0 without a result", { exit: code(0) }, "FAILED", "crashed"],
    [
      "a declared failure",
      { exit: code(76), lastResult: result("failed", "nan_loss") },
      "FAILED",
      "nan_loss",
    ],
    [
      "a declared failure with exit 0",
      { exit: code(0), lastResult: result("failed", "data_error") },
      "FAILED",
      "data_error",
    ],
    [
      "a failure that calls itself completed",
      { exit: code(0), lastResult: result("failed", "completed") },
      "FAILED",
      "crashed",
    ],
    [
      "an unknown word: the code counts",
      { exit: code(65), lastResult: result("failed", "whatever") },
      "FAILED",
      "data_error",
    ],
    ["only a code", { exit: code(3) }, "FAILED", "resume_refused"],
    ["a code of nobody", { exit: code(1) }, "FAILED", "crashed"],
    ["no such program", { exit: code(127) }, "FAILED", "dispatch_failed"],
    [
      "saved and left, as asked",
      { exit: code(75), lastResult: result("stopped"), stopRequested: "cancelled" },
      "STOPPED",
      "cancelled",
    ],
    ["saved and left, a stranger's TERM", { exit: code(75) }, "FAILED", "left_unasked"],
    [
      "saved and left, and nobody here knows why",
      { exit: code(75), lastResult: result("stopped", "stopped") },
      "FAILED",
      "left_unasked",
    ],
    [
      "saved and left, as `down --workers` asked",
      { exit: code(75), lastResult: result("stopped"), stopRequested: "stopped" },
      "STOPPED",
      "stopped",
    ],
    [
      "killed at the end of its grace",
      { exit: signal("SIGKILL"), stopRequested: "stalled" },
      "STOPPED",
      "stalled",
    ],
    ["ended by our TERM", { exit: signal("SIGTERM"), stopRequested: "timeout" }, "STOPPED", "timeout"],
    ["gone after it was asked to stop", { lost: true, stopRequested: "cancelled" }, "STOPPED", "cancelled"],
    [
      "it failed by itself before the TERM came",
      { exit: code(65), lastResult: result("failed", "data_error"), stopRequested: "cancelled" },
      "FAILED",
      "data_error",
    ],
    ["killed by a stranger", { exit: signal("SIGKILL") }, "FAILED", "killed"],
    ["lost", { lost: true }, "LOST", "lost"],
  ])("%s", (_name, end, state, reason) => {
    expect(classifyEnd({ ...none, ...end })).toMatchObject({ state, reason, cause: causeOf[reason] });
  });

  test("the failure's own message is kept", () => {
    expect(classifyEnd({ ...none, exit: code(65), lastResult: result("failed", "data_error") }).message).toBe(
      "said so",
    );
  });
});

test("every end has a state, and a cause unless it is a success", () => {
  const ends = fc.record({
    exit: fc.option(
      fc.oneof(
        fc.integer({ min: 0, max: 255 }).map(code),
        fc.constantFrom("SIGKILL", "SIGTERM", "SIGSEGV").map(signal),
      ),
    ),
    lastResult: fc.option(
      fc.record({ status: fc.constantFrom("succeeded", "failed", "stopped"), reason: fc.string() }),
    ),
    stopRequested: fc.option(fc.constantFrom<Reason>("cancelled", "timeout", "stalled", "stale_epoch")),
    lost: fc.boolean(),
  });
  fc.assert(
    fc.property(ends, (end) => {
      const { state, reason, cause } = classifyEnd(end as End);
      expect(cause).toBe(causeOf[reason]);
      expect(state === "SUCCEEDED").toBe(cause === null);
      // A success needs the worker's own word for it.
      if (state === "SUCCEEDED") expect(end.lastResult?.status).toBe("succeeded");
    }),
  );
});
