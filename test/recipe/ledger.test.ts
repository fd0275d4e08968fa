import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { emptyLedger, extendLedger, forkLedger } from "../../src/recipe/ledger.ts";

/** test/stages/_worker/training/test_ledger.py reads the same file. */
const vectors = JSON.parse(readFileSync(join(packageRoot, "test/fixtures/worker/ledger.json"), "utf8")) as {
  steps: number[][];
  heads: string[];
  fork: { after: number; first: string; steps: number[][]; heads: string[] };
};

function headsOf(first: Buffer, steps: number[][]): string[] {
  let head = first;
  return steps.map((rows) => {
    head = extendLedger(head, Uint32Array.from(rows));
    return head.toString("hex");
  });
}

it("chains the row ids of every step", () => {
  expect(headsOf(emptyLedger, vectors.steps)).toEqual(vectors.heads);
});

it("begins the chain of a fork with the head it leaves", () => {
  const { after, first, steps, heads } = vectors.fork;
  const forked = forkLedger(Buffer.from(vectors.heads[after - 1]!, "hex"));
  expect(forked.toString("hex")).toBe(first);
  expect(headsOf(forked, steps)).toEqual(heads);
});

it("tells orders and steps apart", () => {
  const one = extendLedger(extendLedger(emptyLedger, Uint32Array.of(1)), Uint32Array.of(2));
  expect(extendLedger(emptyLedger, Uint32Array.of(1, 2))).not.toEqual(one);
  expect(extendLedger(emptyLedger, Uint32Array.of(2, 1))).not.toEqual(
    extendLedger(emptyLedger, Uint32Array.of(1, 2)),
  );
});
