import { describe, expect, it } from "vitest";
import { compareMarks, firstOtherStep, type Mark, type WalkedOrder } from "../../src/recipe/audit.ts";
import { emptyLedger, extendLedger, forkLedger } from "../../src/recipe/ledger.ts";

const steps = [
  [0, 5],
  [6, 1],
  [2, 3],
  [4, 7],
];
/** Cell 0 has rows 0 to 4, cell 1 those from 5 on. */
const order = (rows: number[][] = steps): WalkedOrder => ({
  steps: rows.length,
  batch: 2,
  cells: 2,
  walk(sink) {
    for (const [step, ids] of rows.entries()) {
      sink(
        Uint32Array.from(ids),
        Uint16Array.from(ids, (row) => (row < 5 ? 0 : 1)),
        step,
      );
    }
    return "the order";
  },
});

function headAfter(step: number, first: Buffer = emptyLedger, from = 0, rows = steps): string {
  let head = first;
  for (const ids of rows.slice(from, step)) head = extendLedger(head, Uint32Array.from(ids));
  return head.toString("hex");
}

const mark = (step: number, more: Partial<Mark> = {}): Mark => ({
  step,
  row: 2 * step,
  ledger: headAfter(step),
  orderSha256: "the order",
  forked: null,
  ...more,
});

describe("compareMarks", () => {
  it("finds nothing where every position is the planned one, and counts what was taken", () => {
    const { compared, orderSha256 } = compareMarks(order(), [mark(0), mark(3), mark(4)]);
    expect(orderSha256).toBe("the order");
    expect(compared.map(({ differences }) => differences)).toEqual([[], [], []]);
    expect(compared.map(({ taken }) => taken)).toEqual([
      [0, 0],
      [4, 2],
      [5, 3],
    ]);
  });

  it("sees a row that was swapped, from its step on", () => {
    const swapped = [steps[0]!, steps[1]!, [3, 2], steps[3]!];
    const marks = [2, 3, 4].map((step) => mark(step, { ledger: headAfter(step, emptyLedger, 0, swapped) }));
    const { compared } = compareMarks(order(), marks);
    expect(compared.map(({ differences }) => differences.map(({ what }) => what))).toEqual([
      [],
      ["ledger"],
      ["ledger"],
    ]);
    expect(firstOtherStep(order(), (step) => Uint32Array.from(swapped[step]!))).toBe(2);
    expect(firstOtherStep(order(), (step) => Uint32Array.from(steps[step]!))).toBe(null);
    expect(firstOtherStep(order(), (step) => (step < 3 ? Uint32Array.from(steps[step]!) : null))).toBe(3);
  });

  it.each([
    ["another order", mark(2, { orderSha256: "other" }), ["orderSha256"]],
    ["a checkpoint that tells no order", mark(2, { orderSha256: null }), ["orderSha256"]],
    ["rows that were counted twice", mark(2, { row: 6 }), ["row"]],
    ["a step beyond the order", mark(5, { ledger: "" }), ["steps"]],
  ])("names %s", (_, seen, what) => {
    expect(compareMarks(order(), [seen]).compared[0]!.differences.map((one) => one.what)).toEqual(what);
  });

  it("follows the chain of a fork from the head it left", () => {
    const forked = { step: 2, row: 4, ledger: "ab".repeat(32) };
    const first = forkLedger(Buffer.from(forked.ledger, "hex"));
    const marks = [
      mark(2, { forked, ledger: first.toString("hex") }),
      mark(4, { forked, ledger: headAfter(4, first, 2) }),
    ];
    const { compared } = compareMarks(order(), marks);
    expect(compared).toEqual([
      { differences: [], taken: [0, 0] },
      { differences: [], taken: [3, 1] },
    ]);
    // The chain of the ancestor is not the fork's.
    expect(compareMarks(order(), [mark(4, { forked })]).compared[0]!.differences).toHaveLength(1);
  });
});
