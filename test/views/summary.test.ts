import { describe, expect, test } from "vitest";
import { standIns } from "../../src/views/stand-ins.ts";
import { summary } from "../../src/views/summary.ts";
import { verdictSentence } from "../../src/views/verdict.ts";
import { causeOf, type Reason } from "../../src/worker/reasons.ts";
import { demoRun, sentence } from "./demo-rows.ts";
import { artifactRow, at, doneStage, gateRow, plainLook, runDetail, runId, stageRow } from "./rows.ts";

describe("summary of a run", () => {
  test("of the whole demo: every stage, gate, stand-in, the model and what next", () => {
    const text = summary(demoRun(), plainLook);
    expect(text.split("\n")[0]).toBe(`run ${runId} of demo succeeded in 7m 23s`);
    expect(text.split("\n\n")[0]!.split("\n").slice(1).join(" ")).toBe(sentence);
    expect(text).toContain("held-out charge choice 0 → 26.56 (chance 25)");
    for (const stage of demoRun().stages) expect(text).toMatch(new RegExp(`✓ ${stage.name} +done`));
    expect(text).toContain("memorisation reward 0.480 → 0.750");
    expect(text.match(/✓ gate/g)).toHaveLength(4);
    expect(text).toContain(
      "scripted-teacher answered in place of a model in lead-synthesize, lead-refine, lead-judge",
    );
    expect(text).toMatch(/MODEL\n {2}\/\S+\/artifacts\/[0-9a-f]{64}\n {2}Hugging Face folder, 4\.9 MB/);
    expect(text).toContain(`legalone export ${runId} --to ./model`);
    expect(text).not.toContain("legalone resume");
  });

  test("of a failed run: why, its log, how to go on; and no delivered model is promised", () => {
    const base = doneStage("base", 0, 60, {});
    const failed = stageRow("sft", {
      state: "FAILED",
      reason: "disk_full",
      message: "no space left",
      startedAt: at(60),
      endedAt: at(70),
    });
    const detail = runDetail([{ ...base, artifacts: [artifactRow(base.id, "model")] }, failed]);
    const text = summary(detail, plainLook);
    expect(text).toContain("run rk2m9x4t7a of demo failed in 1m 10s");
    expect(text).toContain(`sft: disk full: no space left\n  legalone logs ${runId} sft `);
    expect(text).toContain(`legalone logs ${runId} sft --stderr`);
    expect(text).toContain(`legalone resume ${runId}`);
    expect(text).toContain("model of stage base");
    expect(text).not.toContain("legalone export");
  });

  const ends: [Reason, number | null, RegExp, RegExp | null][] = [
    ["user_error", null, /legalone train demo\.yaml +with what the message names changed/, /legalone resume/],
    ["data_error", 40, /legalone resume \w+ +the same again: go on from step 40/, null],
    [
      "nan_loss",
      40,
      /legalone fork \w+ demo\.yaml --stage sft +with options.* changed, from step 40/,
      /legalone resume/,
    ],
    ["nan_loss", null, /legalone train demo\.yaml +with options/, /legalone (resume|fork)/],
    [
      "crashed",
      null,
      /legalone debug bundle \w+ +.*\n +legalone resume \w+ +when its code is mended: try sft again from its beginning/,
      null,
    ],
    ["lost", 40, /legalone resume \w+ +go on from step 40/, /legalone train/],
    ["lost", null, /legalone resume \w+ +try sft again from its beginning/, /legalone train/],
    ["timeout", 40, /legalone resume \w+ +the time counts anew: go on from step 40/, null],
    ["disk_full", 40, /legalone gc +make room first\n +legalone resume/, null],
  ];
  test.each(ends)(
    "after %s with a checkpoint at step %s what comes next follows from the cause",
    (reason, step, says, not) => {
      const failed = stageRow("sft", {
        state: "FAILED",
        reason,
        cause: causeOf[reason],
        startedAt: at(60),
        endedAt: at(70),
      });
      const checkpoint = step === null ? null : { ...artifactRow(failed.id, "checkpoint"), step };
      const detail = runDetail([doneStage("base", 0, 60, {}), { ...failed, checkpoint }]);
      const text = summary({ ...detail, run: { ...detail.run, file: "demo.yaml" } }, plainLook);
      expect(text.slice(text.indexOf("NEXT"))).toMatch(says);
      if (not !== null) expect(text.slice(text.indexOf("NEXT"))).not.toMatch(not);
    },
  );

  test("a run without stand-ins says nothing of them", () => {
    expect(summary(runDetail([doneStage("base", 0, 60, {})]), plainLook)).not.toContain("STAND-INS");
  });
});

describe("the verdict on the model", () => {
  const judge = (state: "PENDING" | "SUCCEEDED") => stageRow("eval", { state });

  test("is that of the last stage that tells one", () => {
    const exported = doneStage("export", 0, 1, {});
    const told = {
      ...exported,
      result: { metrics: {}, summary: { verdict: { sentence: "It is better." } } },
    };
    expect(verdictSentence(runDetail([...demoRun().stages.slice(0, -1), told]))).toBe("It is better.");
    expect(verdictSentence(demoRun())).toBe(sentence);
  });

  test("says why there is none", () => {
    const trained = (name: string) => ({
      ...doneStage(name, 0, 1, {}),
      artifacts: [artifactRow(`${runId}-${name}-g1`, "model")],
    });
    expect(verdictSentence(runDetail([trained("sft"), judge("PENDING")]))).toBe(
      "No verdict on the model yet: eval has not ended.",
    );
    expect(verdictSentence(runDetail([trained("sft")]))).toBe(
      "No verdict on the model: it was not evaluated in this run.",
    );
    const failed = stageRow("rl", { state: "FAILED", reason: "out_of_memory" });
    expect(verdictSentence(runDetail([trained("sft"), failed, judge("PENDING")]))).toBe(
      "No verdict on the model: rl ended first (out of memory).",
    );
    const gated = { ...trained("sft"), gates: [gateRow(`${runId}-sft-g1`, { passed: false })] };
    expect(verdictSentence(runDetail([gated, judge("PENDING")]))).toContain(
      "sft ended first (gate failed: legal_ppl",
    );
    const { result: _, ...split } = doneStage("eval", 0, 1, {});
    const shards = { metrics: {}, summary: { shards: [{ verdict: { tasks: [] } }, {}] } };
    expect(verdictSentence(runDetail([{ ...split, result: shards }]))).toContain("is in shards");
    expect(verdictSentence(runDetail([doneStage("corpus", 0, 1, {})]))).toBe("");
  });
});

test("a stand-in is found in meta, results and shards, once a stage and part", () => {
  const judge = { summary: { judge: { name: "scripted", stand_in: true } }, metrics: {} };
  const stage = { ...doneStage("lead-judge", 0, 1, {}), result: judge };
  const real = artifactRow(stage.id, "samples", {
    meta: { teacher: { name: "qwen3-235b", stand_in: false } },
  });
  const detail = runDetail([
    { ...stage, shards: [{ ...stage.shards[0]!, result: judge }], artifacts: [real] },
  ]);
  expect(standIns(detail)).toEqual([{ stage: "lead-judge", part: "judge", name: "scripted" }]);
});
