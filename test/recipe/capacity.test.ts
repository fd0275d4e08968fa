import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/config-file.ts";
import { type Architecture, npuHours, parameters } from "../../src/recipe/capacity.ts";

const architecture = (name: string) => readConfig("models", name).value as unknown as Architecture;

describe("parameters", () => {
  // The counts that the published safetensors files of these models have.
  it.each([
    ["qwen3-1.7b", 1_720_574_976],
    ["qwen3-4b", 4_022_468_096],
    ["qwen3-8b", 8_190_735_360],
  ])("of %s", (name, expected) => {
    expect(parameters(architecture(name))).toBe(expected);
  });
});

it("prices 100 billion tokens of an 8B model near the measured 7 days on 64 NPUs", () => {
  const hours = npuHours(6 * parameters(architecture("qwen3-8b")) * 100e9, 353.9, 0.38);
  // 2,703 tokens a second and NPU at 0.95 linearity were measured with attention counted in: 10.8 thousand hours.
  expect(hours).toBeGreaterThan(9_000);
  expect(hours).toBeLessThan(11_500);
});
