import { describe, expect, it } from "vitest";
import { cellWeights, unknownWeights } from "../../src/recipe/cell-weights.ts";

const cell = (group: string, band: string, tokens: number) => ({
  group,
  band,
  first: 0,
  sequences: tokens / 10,
  tokens,
});
const cells = [
  cell("general", "low", 100),
  cell("general", "high", 300),
  cell("legal", "low", 300),
  cell("synthetic", "low", 100),
];

describe("cell weights", () => {
  it("are 0.40 general, 0.60 for the others by tokens, and bands by tokens", () => {
    expect(cellWeights(cells)).toEqual([0.1, 0.3, 0.45, 0.15].map((share) => expect.closeTo(share, 12)));
  });
  it("follow what is written, for a group or for each band", () => {
    expect(cellWeights(cells, { general: { low: 0.3, high: 0.1 }, legal: 0.5, synthetic: 0.1 })).toEqual(
      [0.3, 0.1, 0.5, 0.1].map((share) => expect.closeTo(share, 12)),
    );
  });
  it("give an empty cell nothing and its share to the others", () => {
    expect(cellWeights([...cells.slice(0, 2), { ...cells[2]!, sequences: 0 }, cells[3]!])).toEqual(
      [0.1, 0.3, 0, 0.6].map((share) => expect.closeTo(share, 12)),
    );
  });
  it("name what no cell has", () => {
    expect(unknownWeights(cells, { legal: { lo: 1, low: 1 }, genral: 1 })).toEqual(["legal.lo", "genral"]);
  });
});
