import { expect, test } from "vitest";
import { metricJsonLines, metricPlots, metricTable } from "../../src/views/metrics.ts";
import { curve } from "./demo-rows.ts";
import { plainLook } from "./rows.ts";

const point = (step: number, value: number) => ({ step, value, low: value - 1, high: value + 1 });

test("a line a curve: first, extremes of every bucket, last", () => {
  const series = [
    { name: "loss", shard: 0, points: [point(1, 7), point(20, 5)] },
    { name: "loss", shard: 1, points: [point(3, 6)] },
  ];
  const lines = metricTable([{ stage: "sft", series }], plainLook)
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/));
  expect(lines).toEqual([
    ["STAGE", "METRIC", "STEP", "FIRST", "LOWEST", "HIGHEST", "LAST"],
    ["sft", "loss", "20", "7", "4", "8", "5"],
    ["sft", "loss [shard 1]", "3", "6", "5", "7", "6"],
  ]);
  expect(metricTable([{ stage: "sft", series: [] }], plainLook)).toBe("Nothing has been measured yet.");
});

test("a drawn curve falls from left to right within the terminal", async () => {
  const text = await metricPlots([{ stage: "base", series: [curve("loss", 700, 7.4, 6, 0)] }], {
    ...plainLook,
    width: 80,
  });
  const lines = text.split("\n");
  expect(lines[0]).toBe("base loss  6.026 at step 700");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(lines[1]!.indexOf("╮")).toBeLessThan(20);
  expect(lines.at(-1)!.lastIndexOf("─")).toBeGreaterThan(60);
});

test("the axis of a small rate tells its lines apart", async () => {
  const text = await metricPlots([{ stage: "base", series: [curve("lr", 60, 2e-3, 5e-4, 0)] }], plainLook);
  const labels = text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s/)[0]);
  expect(labels.length).toBeGreaterThan(5);
  expect(new Set(labels).size).toBe(labels.length);
});

test("a single point is not drawn", async () => {
  expect(
    await metricPlots([{ stage: "a", series: [{ name: "x", shard: 0, points: [point(1, 2)] }] }], plainLook),
  ).toContain("more than one step");
});

test("a line a point as JSON", () => {
  const text = metricJsonLines([
    { stage: "sft", series: [{ name: "loss", shard: 0, points: [point(1, 7)] }] },
  ]);
  expect(JSON.parse(text)).toEqual({
    type: "metric",
    stage: "sft",
    name: "loss",
    shard: 0,
    step: 1,
    value: 7,
    low: 6,
    high: 8,
  });
});
