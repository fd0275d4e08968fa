import { describe, expect, test } from "vitest";
import { joinShardFiles, joinSummaries } from "../../src/views/report/shards.ts";

describe("what shards wrote is shown as one stage", () => {
  test("cells of the same group and band add up; thresholds are those of all", () => {
    const cell = (band: string, sequences: number) => {
      return { group: "legal", band, sequences, documents: 2 * sequences, tokens: 9 * sequences };
    };
    const thresholds = { legal: { low: 5 } };
    const joined = joinShardFiles("packed/cells.json", [
      { thresholds, cells: [cell("low", 3), cell("high", 1)] },
      { thresholds, cells: [cell("high", 4)] },
    ]);
    expect(joined).toMatchObject({ thresholds, cells: [cell("low", 3), cell("high", 5)] });
  });

  test("predictors of shards are told by their held-out documents", () => {
    const predictor = (heldout: number, spearman: number, low: number) => {
      const confusion = { low: { low, high: heldout - low } };
      return {
        predictor: { measured: 5 * heldout, heldout, predicted: 9, spearman, same_band: spearman, confusion },
      };
    };
    const joined = joinShardFiles("packed/cells.json", [predictor(30, 0.9, 20), predictor(10, 0.5, 5)]);
    expect(joined.predictor).toEqual({
      measured: 200,
      heldout: 40,
      predicted: 18,
      spearman: expect.closeTo(0.8),
      same_band: expect.closeTo(0.8),
      confusion: { low: { low: 25, high: 15 } },
    });
  });

  test("histograms keep every document, between the lowest and the highest edge", () => {
    const joined = joinShardFiles("packed/histogram.json", [
      { edges: [1, 10, 100], groups: [{ group: "legal", counts: [4, 0] }] },
      {
        edges: [10, 100, 1000],
        groups: [
          { group: "legal", counts: [1, 2] },
          { group: "general", counts: [0, 7] },
        ],
      },
    ]);
    expect(joined.edges).toEqual([1, 10, 100, 1000].map((edge) => expect.closeTo(edge)));
    expect(joined.groups).toEqual([
      { group: "legal", counts: [4, 1, 2] },
      { group: "general", counts: [0, 0, 7] },
    ]);
  });

  test("a task is told once, with the models of all shards", () => {
    const line = (model: string, score: number) => {
      return {
        task: "law",
        items: 9,
        strict: { [model]: score },
        compatible: { [model]: score },
        option_likelihood: {},
      };
    };
    const row = (model: string) => ({ task: "law", model });
    const joined = joinShardFiles("evaluation/report.json", [
      { models: ["sft", "rl"], tasks: [line("sft", 50)], rows: [row("sft")], answers: [1], forgetting: [] },
      {
        models: ["sft", "rl"],
        tasks: [line("rl", 60)],
        rows: [row("rl")],
        answers: [2],
        forgetting: [{ model: "sft" }],
      },
    ]);
    expect(joined).toMatchObject({
      models: ["sft", "rl"],
      tasks: [{ task: "law", items: 9, strict: { sft: 50, rl: 60 } }],
      rows: [row("sft"), row("rl")],
      answers: [1, 2],
      forgetting: [{ model: "sft" }],
    });
  });

  test("counts of LEAD add up, marks are weighted, and who was asked stays", () => {
    const judge = { name: "j", revision: "1", stand_in: true, requests: 3 };
    const shards = [
      { judge, lowest: 7, dropped: { duplicate: 1 }, mean_marks: { overall: 8 } },
      { judge, lowest: 7, dropped: { duplicate: 2, overlong: 4 }, mean_marks: { overall: 5 } },
      { judge, lowest: 7, dropped: {}, mean_marks: {} },
    ];
    expect(joinSummaries("lead-judge", { shards }, [4, 2, 0])).toEqual({
      judge: { ...judge, requests: 9 },
      lowest: 7,
      dropped: { duplicate: 3, overlong: 4 },
      mean_marks: { overall: 7 },
    });
  });

  test("a stage in one part is left alone", () => {
    const facts = { cells: [{ group: "a", band: "low" }] };
    expect(joinShardFiles("packed/cells.json", [facts])).toBe(facts);
    expect(joinSummaries("lead-judge", { lowest: 7 }, [3])).toEqual({ lowest: 7 });
  });
});
