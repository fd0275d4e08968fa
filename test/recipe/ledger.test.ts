import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { emptyLedger, extendLedger } from "../../src/recipe/ledger.ts";

it("chains the row ids of every step", () => {
  const bytes = Buffer.from("0100000002000000", "hex");
  const first = createHash("sha256").update(Buffer.alloc(32)).update(bytes).digest("hex");
  const ledger = extendLedger(emptyLedger, Uint32Array.of(1, 2));
  expect(ledger.toString("hex")).toBe(first);
  expect(extendLedger(extendLedger(emptyLedger, Uint32Array.of(1)), Uint32Array.of(2))).not.toEqual(ledger);
});
