import { expect, it } from "vitest";
import { pasSvg } from "../../src/views/pas-svg.ts";

const step = (n: number, lr: number, p: number[]) => ({ step: n, lr, alpha: lr, p, count: [1, 1] });

it("draws an area a cell that add up to the whole, the rate, and passes", () => {
  const svg = pasSvg({
    cells: [
      { group: "a&b", band: "low", weight: 0.5, sequences: 4 },
      { group: "legal", band: "high", weight: 0.5, sequences: 4 },
    ],
    steps: [step(0, 0.5, [0.75, 0.25]), step(1, 1, [0.5, 0.5])],
    segments: [
      { from: 0, to: 1, lambda: 5, hold: "none", weights: [0.5, 0.5] },
      { from: 1, to: 2, lambda: 0, hold: "none", weights: [0.5, 0.5] },
    ],
    passes: [2.5, 0.5],
    orderSha256: "ab",
    batch: 2,
    from: "",
    assumed: false,
    warnings: [],
  });
  // 180 high, from 210 up: the first area ends at 0.75, the second at 1.
  expect(svg).toContain('points="70.0,75.0 790.0,120.0 790.0,210.0 70.0,210.0"');
  expect(svg).toContain('points="70.0,30.0 790.0,30.0 790.0,120.0 70.0,75.0"');
  expect(svg).toContain('<polyline points="70.0,350.0 790.0,260.0"');
  expect(svg).toContain(">amended at 1</text>");
  expect(svg).toContain(">2.500</text>");
  expect(svg).toContain("a&amp;b/low");
  expect(svg).not.toContain("a&b/low");
});
