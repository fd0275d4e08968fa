import { expect, test } from "vitest";
import { verdictOf } from "../../../src/records/reads/verdict.ts";
import { at, doneStage, gateRow, stageRow } from "../../views/rows.ts";

const run = { id: "rk2m9x4t7a" };
const done = doneStage("base", 0, 60, {});
const failed = stageRow("sft", {
  state: "FAILED",
  reason: "nan_loss",
  message: "NaN",
  startedAt: at(60),
  endedAt: at(70),
});
const cancelledAfter = stageRow("rl", { state: "CANCELLED", reason: "upstream_failed", endedAt: at(70) });

test.each([
  ["nothing has begun", [stageRow("a"), stageRow("b", { state: "READY" })], "waiting", 6],
  ["a stage runs", [done, stageRow("b", { state: "RUNNING", startedAt: at(60) })], "running", 6],
  ["between two stages", [done, stageRow("b")], "running", 6],
  ["all ended well", [done, stageRow("b", { state: "SKIPPED", endedAt: at(1) })], "succeeded", 0],
  ["a stage failed", [done, failed, cancelledAfter], "failed", 4],
  [
    "a stage failed, another still runs",
    [failed, stageRow("b", { state: "RUNNING", startedAt: at(1) })],
    "running",
    6,
  ],
  [
    "cancelled by hand",
    [done, stageRow("b", { state: "CANCELLED", reason: "cancelled", endedAt: at(61) })],
    "cancelled",
    5,
  ],
  [
    "only up to a stage",
    [done, stageRow("b", { state: "CANCELLED", reason: "not_requested", endedAt: at(0) })],
    "succeeded",
    0,
  ],
  [
    "a gate did not hold",
    [
      {
        ...stageRow("m", { state: "FAILED", reason: "gate_failed", endedAt: at(9) }),
        gates: [gateRow("m", { passed: false })],
      },
      cancelledAfter,
    ],
    "gate_failed",
    10,
  ],
] as const)("%s", (_name, stages, state, exitCode) => {
  expect(verdictOf(run, [...stages])).toMatchObject({ state, exitCode, ended: exitCode !== 6 });
});

test("the stage that failed is named, not those that it took along", () => {
  const verdict = verdictOf(run, [cancelledAfter, failed, done]);
  expect(verdict).toMatchObject({ stage: "sft", reason: "nan_loss", message: "NaN" });
});

test("time runs from the first start to the last end", () => {
  const verdict = verdictOf(run, [done, doneStage("b", 60, 300, {})]);
  expect([verdict.startedAt, verdict.endedAt]).toEqual([at(0), at(300)]);
  expect(verdictOf(run, [done, stageRow("b")]).endedAt).toBeNull();
});
