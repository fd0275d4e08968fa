import { describe, expect, test } from "vitest";
import { bytes, clock, count, duration, number, percent } from "../../src/views/format.ts";
import { cut, displayWidth, table, wrap } from "../../src/views/table.ts";
import { plainLook } from "./rows.ts";

describe("format", () => {
  test.each([
    [0, "0.0s"],
    [8_420, "8.4s"],
    [9_960, "10s"],
    [59_600, "1m 00s"],
    [65_000, "1m 05s"],
    [3_599_700, "1h 00m"],
    [7_380_000, "2h 03m"],
    [47 * 3_600_000, "47h 00m"],
    [76 * 3_600_000, "3d 04h"],
  ])("%d ms is %s", (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [950, "950"],
    [9_999, "9999"],
    [12_345, "12.3k"],
    [999_999, "1000k"],
    [1_210_000, "1.21M"],
    [1e11, "100B"],
  ])("%d counts as %s", (value, text) => expect(count(value)).toBe(text));

  test.each([
    [0, "0"],
    [244.137, "244.1"],
    [6.0213, "6.021"],
    [12.345, "12.35"],
    [0.98, "0.980"],
    [3e-6, "3.00e-6"],
    [0.0015, "0.0015"],
    [0.0005, "0.0005"],
    [0.00234567, "0.002346"],
    [-0.0205, "-0.0205"],
    [2162.24, "2162"],
    [0.30000000000000004, "0.300"],
    [Number.NaN, "NaN"],
  ])("%d is written %s", (value, text) => expect(number(value)).toBe(text));

  test("shares and sizes", () => {
    expect([percent(0.98), percent(1), percent(0)]).toEqual(["98.0%", "100%", "0%"]);
    expect([percent(0.0004), percent(-0.00002)]).toEqual(["0.04%", "-0.002%"]);
    expect([bytes(0), bytes(999), bytes(4_912_345n), bytes(2.5e13)]).toEqual([
      "0 B",
      "999 B",
      "4.9 MB",
      "25.0 TB",
    ]);
  });

  test("a time of another day names the day", () => {
    const at = new Date(2026, 2, 1, 14, 2, 9);
    expect(clock(at, new Date(2026, 2, 1, 23, 0))).toBe("14:02:09");
    expect(clock(at, new Date(2026, 2, 2, 1, 0))).toBe("2026-03-01 14:02");
  });
});

describe("table", () => {
  test("columns stand under each other with Chinese text and colours", () => {
    const text = table(
      [{ title: "A" }, { title: "B", align: "right" }],
      [
        ["刑法", "1"],
        ["\u001b[32mx\u001b[39m", "22"],
      ],
      plainLook,
    );
    expect(text.split("\n").map(displayWidth)).toEqual([8, 8, 8]);
  });

  test("a text is broken between words, and a longer word stays whole", () => {
    expect(wrap("one two 中华人民 x", 8)).toBe("one two\n中华人民\nx");
    expect(wrap("extraordinary a", 5)).toBe("extraordinary\na");
    expect(wrap("见 中华人民共和国 x", 8)).toBe("见\n中华人民\n共和国 x");
  });

  test("a text is cut by columns, never in the middle of a wide character", () => {
    expect(cut("中华人民共和国", 7)).toBe("中华人…");
    expect(displayWidth(cut("中华人民共和国", 6))).toBeLessThanOrEqual(6);
    expect(cut("short", 5)).toBe("short");
  });
});
