import { describe, expect, test } from "vitest";
import { holds } from "../../src/workflow/gates.ts";
import { MemoryRecords } from "../support/memory-records.ts";

test("the four comparisons, at, under and over the threshold", () => {
  const table = (["below", "at_most", "at_least", "above"] as const).map((comparison) =>
    [1, 2, 3].map((value) => holds(value, comparison, 2)),
  );
  expect(table).toEqual([
    [true, false, false],
    [true, true, false],
    [false, true, true],
    [false, false, true],
  ]);
});

describe("gates", () => {
  const gated = (gate: object) =>
    [
      { name: "base" },
      {
        name: "midtrain",
        needs: ["base"],
        gates: [{ metric: "legal_ppl", comparison: "below", against: 100, ...gate }],
      },
      { name: "sft", needs: ["midtrain"] },
    ] as ConstructorParameters<typeof MemoryRecords>[0];

  function until(records: MemoryRecords, name: string, metrics: Record<string, number>): void {
    records.look();
    records.succeed(records.liveOf(name), metrics);
    records.look();
  }

  test("a gate that holds lets the next stage begin", () => {
    const records = new MemoryRecords(gated({ against: { stage: "base", metric: "legal_ppl" } }));
    until(records, "base", { legal_ppl: 358 });
    until(records, "midtrain", { legal_ppl: 259 });
    expect([...records.rows.Gate.values()]).toMatchObject([
      { against: "base.legal_ppl", value: 259, threshold: 358, passed: true },
    ]);
    expect(records.stage("sft").state).toBe("RUNNING");
  });

  test("a factor on another stage's metric: so many times it, and no more", () => {
    for (const [measured, passed] of [
      [246, true],
      [247, false],
    ] as const) {
      const records = new MemoryRecords(
        gated({ comparison: "at_most", against: { stage: "base", metric: "legal_ppl", times: 2 } }),
      );
      until(records, "base", { legal_ppl: 123 });
      until(records, "midtrain", { legal_ppl: measured });
      expect([...records.rows.Gate.values()]).toMatchObject([
        { against: "2 * base.legal_ppl", value: measured, threshold: 246, passed },
      ]);
    }
  });

  test.each([
    { why: "does not hold", metrics: { legal_ppl: 100 }, value: 100 },
    { why: "has no value", metrics: { other: 1 }, value: null },
  ])("a gate that $why keeps its stage and cancels what follows", ({ metrics, value }) => {
    const records = new MemoryRecords(gated({}));
    until(records, "base", {});
    until(records, "midtrain", metrics as Record<string, number>);
    expect(records.stage("midtrain").state).toBe("SUCCEEDED");
    expect([...records.rows.Gate.values()]).toMatchObject([{ value, passed: false }]);
    expect(records.stage("sft")).toMatchObject({ state: "CANCELLED", reason: "gate_failed" });
  });
});
