import { expect, test } from "vitest";
import { verdictOf } from "../../../src/records/reads/verdict.ts";
import { at, doneStage, gateRow, stageRow } from "../../views/rows.ts";

const run = { id: "rk2m9x4t7a", createdAt: at(0) };
const done = doneStage("base", 0, 60, {});
const failed = stageRow("sft", {
  state: "FAILED",
  reason: "nan_loss",
  message: "NaN",
  startedAt: at(60),
  endedAt: at(70),
});
const cancelledAfter = stageRow("rl", { state: "CANCELLED", reason: "upstream_failed", endedAt: at(70) });

const cancelledBehindGate = stageRow("rl", { state: "CANCELLED", reason: "gate_failed", endedAt: at(70) });

/** A stage that ended well with one gate. */
function gated(passed: boolean) {
  const stage = doneStage(
    "midtrain",
    0,
    60,
    { legal_ppl: 244 },
    { spec: { gates: [{ metric: "legal_ppl" }] } },
  );
  return { ...stage, gates: [gateRow(stage.id, { passed })] };
}

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
  ["a gate did not hold", [gated(false), cancelledBehindGate], "gate_failed", 10],
  ["a gate of the last stage did not hold", [done, gated(false)], "gate_failed", 10],
  ["a gate held", [gated(true)], "succeeded", 0],
  ["the last stage ended, its gate is not yet measured", [done, { ...gated(true), gates: [] }], "running", 6],
  [
    "a resume was refused: order or batch do not fit",
    [done, stageRow("b", { state: "FAILED", reason: "resume_refused", cause: "USER", endedAt: at(9) })],
    "failed",
    3,
  ],
  ["a stage failed and a gate too", [gated(false), failed], "failed", 4],
] as const)("%s", (_name, stages, state, exitCode) => {
  expect(verdictOf(run, [...stages])).toMatchObject({ state, exitCode, ended: exitCode !== 6 });
});

test("the stage that failed is named, not those that it took along", () => {
  const verdict = verdictOf(run, [cancelledAfter, failed, done]);
  expect(verdict).toMatchObject({ stage: "sft", reason: "nan_loss", message: "NaN" });
});

test("the gate that did not hold is told with its values", () => {
  const { message } = verdictOf(run, [gated(false), cancelledBehindGate]);
  expect(message).toBe("legal_ppl below base.legal_ppl did not hold: 244.1 against 365.2");
});

test("all gates of a stage that did not hold are told, each to four digits", () => {
  const [gate] = gated(false).gates;
  const more = { ...gate!, metric: "general_ppl", value: 4825.645923717053, threshold: null };
  const { message } = verdictOf(run, [{ ...gated(false), gates: [gate!, more] }]);
  expect(message).toBe(
    "legal_ppl below base.legal_ppl did not hold: 244.1 against 365.2; general_ppl below base.legal_ppl did not hold: 4826 against nothing",
  );
});

test("a value that is nearly its threshold is told apart from it", () => {
  const [gate] = gated(false).gates;
  const near = { ...gate!, value: 4.00001, threshold: 4 };
  const { message } = verdictOf(run, [{ ...gated(false), gates: [near] }]);
  expect(message).toBe("legal_ppl below base.legal_ppl did not hold: 4.00001 against 4");
});

test("time runs from the submission to the last end", () => {
  const verdict = verdictOf(run, [done, doneStage("b", 60, 300, {})]);
  expect([verdict.startedAt, verdict.endedAt]).toEqual([at(0), at(300)]);
  expect(verdictOf(run, [done, stageRow("b")]).endedAt).toBeNull();
  expect(verdictOf(run, [stageRow("b")]).startedAt).toBeNull();
});
