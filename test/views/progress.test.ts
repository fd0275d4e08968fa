import { describe, expect, test } from "vitest";
import { progressFrame, progressLines } from "../../src/views/progress.ts";
import { nothingLive, stageLine } from "../../src/views/stage-line.ts";
import { displayWidth } from "../../src/views/table.ts";
import { at, attemptRow, doneStage, plainLook, runDetail, shardRow, stageRow } from "./rows.ts";

function training(step: number, epoch = 1) {
  const stage = stageRow("midtrain", { state: "RUNNING", startedAt: at(150) });
  const attempt = attemptRow(stage.id, {
    epoch,
    phase: "training",
    step,
    of: 360,
    unit: "step",
    stepMs: 125,
  });
  return { ...stage, shards: [shardRow(stage.id, { attempt, epoch })] };
}

const lineOf = (stage: ReturnType<typeof stageRow>) => stageLine(stage, nothingLive, plainLook.now);

describe("drawn picture", () => {
  test("a running stage has a bar as long as its share", () => {
    const frame = progressFrame(runDetail([training(180)]), plainLook, nothingLive, []);
    expect(frame).toContain("━━━━━━━━━─────────  180/360 steps");
  });

  test("warnings stand below, cut to the width", () => {
    const frame = progressFrame(runDetail([training(0)]), { ...plainLook, width: 80 }, nothingLive, [
      "a".repeat(200),
    ]);
    const last = frame.split("\n").at(-1)!;
    expect(last).toMatch(/^ {2}! a+…$/);
    for (const line of frame.split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  });

  test("a narrow terminal gets the words without the bar", () => {
    const frame = progressFrame(runDetail([training(180)]), { ...plainLook, width: 70 }, nothingLive, []);
    expect(frame).not.toContain("━");
    expect(frame).toContain("180/360 steps");
  });
});

describe("lines that stay", () => {
  test("a change of state is told once", () => {
    const waiting = lineOf(stageRow("midtrain"));
    const running = lineOf(training(0));
    const done = lineOf(doneStage("midtrain", 150, 210, { legal_ppl: 244.1 }));
    expect(progressLines([waiting], [running], false, plainLook)).toEqual(["● midtrain: started"]);
    expect(progressLines([running], [running], false, plainLook)).toEqual([]);
    expect(progressLines([running], [done], false, plainLook)).toEqual([
      "✓ midtrain: done in 1m 00s · legal ppl 244.1",
    ]);
  });

  test("what a phase does is told when it begins with something else, not with every number", () => {
    const stage = training(0);
    const attempt = stage.shards[0]!.attempt!;
    attempt.phase = "loading";
    const saying = (doing: string) =>
      stageLine(stage, { metrics: new Map(), doing: new Map([[attempt.id, doing]]) }, plainLook.now);
    const lines = (before: string, after: string) =>
      progressLines([saying(before)], [saying(after)], false, plainLook);
    expect(lines("reading 4 sources", "packing 4,500 documents")).toEqual([
      "● midtrain: loading packing 4,500 documents · 0/360 steps · 8 steps/s · 45s left",
    ]);
    expect(lines("packing 4,500 documents", "packing 9,000 documents")).toEqual([]);
  });

  test("progress is told when due", () => {
    const [line] = progressLines([lineOf(training(10))], [lineOf(training(20))], true, plainLook);
    expect(line).toBe("● midtrain: training 20/360 steps · 8 steps/s · 43s left");
  });

  test("a new attempt is told at once", () => {
    expect(progressLines([lineOf(training(100))], [lineOf(training(90, 2))], false, plainLook)).toEqual([
      "● midtrain: attempt 2",
    ]);
  });

  test("a follower that comes late is told how every stage stands", () => {
    const lines = progressLines(
      [],
      [lineOf(doneStage("base", 0, 60, {})), lineOf(training(5)), lineOf(stageRow("sft"))],
      false,
      plainLook,
    );
    expect(lines).toEqual(["✓ base: done in 1m 00s", "● midtrain: started"]);
  });

  test("a failure says why", () => {
    const failed = lineOf(
      stageRow("midtrain", {
        state: "FAILED",
        reason: "nan_loss",
        message: "loss is NaN at step 12",
        startedAt: at(0),
        endedAt: at(1),
      }),
    );
    expect(progressLines([lineOf(training(12))], [failed], false, plainLook)).toEqual([
      "✗ midtrain: failed, nan loss: loss is NaN at step 12",
    ]);
  });
});
