import { describe, expect, it } from "vitest";
import { unit, writeProbabilities } from "../../src/recipe/pas.ts";

const cells = [
  { group: "general", band: "low", weight: 0.2 },
  { group: "general", band: "high", weight: 0.2 },
  { group: "legal", band: "low", weight: 0.15 },
  { group: "legal", band: "high", weight: 0.45 },
];

function probabilities(lambda: number, hold: "none" | "group", alpha: number): number[] {
  const row = new Float64Array(4);
  writeProbabilities(cells, { lambda, hold }, alpha, row);
  return Array.from(row, (units) => units / unit);
}

describe("PAS", () => {
  it("follows the weights at full learning rate", () => {
    for (const [i, p] of probabilities(5, "none", 1).entries()) expect(p).toBeCloseTo(cells[i]!.weight, 11);
  });
  it("follows the weights at every rate when lambda is 0", () => {
    expect(probabilities(0, "none", 0.1)).toEqual(probabilities(5, "none", 1));
  });
  it("raises low bands by exp(lambda (1 - alpha))", () => {
    const p = probabilities(5, "none", 0.4);
    // w exp(5 x 0.6) / Z by hand
    const z = 0.35 * Math.exp(3) + 0.65;
    expect(p[0]).toBeCloseTo((0.2 * Math.exp(3)) / z, 11);
    expect(p[3]).toBeCloseTo(0.45 / z, 11);
  });
  it("keeps the share of every group with `hold: group`", () => {
    const p = probabilities(5, "group", 0);
    expect(p[0]! + p[1]!).toBeCloseTo(0.4, 11);
    expect(p[0]! / p[1]!).toBeCloseTo(Math.exp(5), 6);
  });
});
