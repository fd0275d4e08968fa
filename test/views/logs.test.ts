import { describe, expect, test } from "vitest";
import type { Event } from "../../src/records/generated/client.ts";
import { eventJsonLines, eventLine, stepLine } from "../../src/views/logs.ts";
import { at, plainLook, runId } from "./rows.ts";

function event(type: string, data: object, stageId: string | null = `${runId}-sft-g1`): Event {
  return { id: 7n, runId, stageId, attemptId: null, at: at(9), type, data: data as never };
}

const line = (one: Event, stage: string | null = "sft") =>
  eventLine(one, stage, plainLook).replace(/^\S+ {2}/, "");

describe("a line of the log", () => {
  test.each([
    [
      event("worker.phase", { at: "x", phase: "compiling", detail: "one graph" }),
      "sft  worker.phase  compiling: one graph",
    ],
    [
      event("worker.started", {
        pid: 12,
        attempt: "x",
        epoch: 1,
        device: "cpu",
        versions: { python: "3.11.7", mindspore: "2.9.0" },
      }),
      "sft  worker.started  pid 12, cpu, python 3.11.7, mindspore 2.9.0",
    ],
    [
      event("worker.checkpoint", { step: 50, bytes: 9_800_000, path: "/a/b", sha256: "ab" }),
      "sft  worker.checkpoint  step 50, 9.8 MB",
    ],
    [
      event("worker.artifact", { kind: "model", sha256: "5f2d9c1e5f2d9c1e", bytes: 4_912_345 }),
      "sft  worker.artifact  model 5f2d9c1e5f2d, 4.9 MB",
    ],
    [
      event("worker.warning", { message: "2 of 90 rows were broken" }),
      "sft  worker.warning  2 of 90 rows were broken",
    ],
    [
      event("worker.result", {
        status: "failed",
        reason: "nan_loss",
        message: "loss is NaN",
        summary: { much: 1 },
      }),
      "sft  worker.result  failed · nan_loss · loss is NaN",
    ],
    [event("stage.started", { shards: 2, changes: [{ table: "Stage" }] }), "sft  stage.started  shards=2"],
  ])("%#", (one, text) => expect(line(one)).toBe(text));

  test("an event of the run as a whole", () => {
    expect(line(event("run.submitted", { pipeline: "demo", createdBy: "someone@host" }, null), null)).toBe(
      "run  run.submitted  pipeline=demo createdBy=someone@host",
    );
  });
});

test("as JSON: the stage by name, big ids as numbers, changes of rows left out", () => {
  const text = eventJsonLines([event("stage.started", { shards: 2, changes: [] })], () => "sft");
  expect(JSON.parse(text)).toEqual({
    id: 7,
    runId,
    attemptId: null,
    at: at(9).toISOString(),
    type: "event",
    event: "stage.started",
    stage: "sft",
    data: { shards: 2 },
  });
});

test("a step of a training is a line with its loss, rate and speed", () => {
  const step = {
    stageId: `${runId}-sft-g1`,
    attemptId: `${runId}-sft-g1-s0-e1`,
    step: 120,
    at: at(9),
    values: { tokens_per_second: 3512.4, lr: 0.0015, loss: 2.85912 },
  };
  expect(stepLine(step, "sft", plainLook).replace(/^\S+ {2}/, "")).toBe(
    "sft  step 120  loss 2.859 · lr 0.0015 · 3512 tokens/s",
  );
});
