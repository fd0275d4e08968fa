import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "./run-cli.ts";

const spec = "test/cli/fixtures/spec.yaml";

interface Preview {
  cells: { weight: number; sequences: number }[];
  schedule: { step: number; lr: number; alpha: number; p: number[]; count: number[] }[];
  passes: number[];
  orderSha256: string;
}

const preview = (...words: string[]) => runCli(["pas", "preview", ...words, "--json"]).json() as Preview;

describe("pas preview of a bare spec", () => {
  it("prints cells, schedule, passes and the hash of the order, and nothing more", () => {
    const seen = preview(spec);
    expect(Object.keys(seen)).toEqual(["cells", "schedule", "passes", "orderSha256"]);
    expect(seen.cells.map(({ weight }) => weight)).toEqual([0.2, 0.2, 0.3, 0.3]);
    expect(seen.schedule).toHaveLength(60);
    expect(Object.keys(seen.schedule[0]!)).toEqual(["step", "lr", "alpha", "p", "count"]);
    expect(seen.schedule[6]).toMatchObject({ lr: 2e-3, alpha: 1 });
    expect(seen.orderSha256).toBe(preview(spec).orderSha256);
  });

  it("keeps every cumulative count within 1 of its cumulative target", () => {
    const { schedule, cells } = preview(spec);
    const ahead = cells.map(() => 0);
    for (const { p, count } of schedule) {
      for (const i of cells.keys()) {
        ahead[i]! += 16 * p[i]! - count[i]!;
        expect(Math.abs(ahead[i]!)).toBeLessThan(1);
      }
    }
  });

  it("never refuses passes", () => {
    expect(Math.max(...preview(spec).passes)).toBeGreaterThan(4);
    expect(runCli(["pas", "preview", spec]).code).toBe(0);
  });

  it("is drawn for people", () => {
    const { stdout } = runCli(["pas", "preview", spec]);
    expect(stdout).toMatch(/share of the low band/);
    expect(stdout).toMatch(/legal +low +30\.0%/);
  });
});

describe("pas preview", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "legalone-pas-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("lists every error of a spec with its place", () => {
    const file = join(folder, "spec.yaml");
    writeFileSync(
      file,
      "steps: 5\nbatch: 0\nschedule: {warmup: 2, decay: 9, max: 1, min: 0, shape: linar}\ncells: [{group: a, band: low, weight: 1, sequences: 1}]\n",
    );
    const { code, stderr } = runCli(["pas", "preview", file]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/:2:1 batch/);
    expect(stderr).toMatch(
      /:3:\d+ schedule\.shape: `"linar"` does not fit; expected linear or cosine or sqrt\n\s+did you mean `linear`\?/,
    );
  });

  it("of a pipeline before its first run says that its cells are assumed", () => {
    const { code, stdout } = runCli(["pas", "preview", "pipelines/demo.yaml"]);
    expect(code).toBe(0);
    expect(stdout).toContain("These are no measured numbers");
    expect(runCli(["pas", "preview", "pipelines/demo.yaml", "--json"]).json()).toMatchObject({
      assumed: true,
    });
  });

  it("takes cells from packed data, explains a step and writes the order", () => {
    const packed = join(folder, "packed");
    const cells = ["low", "high"].map((band, i) => ({
      group: "legal",
      band,
      first: 400 * i,
      sequences: 400,
      tokens: 51_200,
    }));
    mkdirSync(packed);
    writeFileSync(join(packed, "cells.json"), JSON.stringify({ sequenceLength: 128, cells }));
    const from = ["pipelines/demo.yaml", "--packed", packed];

    const { orderSha256, schedule, ...rest } = preview(...from);
    expect(rest).toMatchObject({
      assumed: false,
      from: packed,
      warnings: expect.arrayContaining([expect.stringContaining("legal/low")]),
    });

    const explained = runCli(["pas", "explain", ...from, "--step", "10", "--json"]).json() as {
      p: number;
      cells: { p: number; count: number; indices: number[]; rows: number[] }[];
    };
    expect(explained.cells.map(({ p }) => p)).toEqual(schedule[10]!.p);
    expect(explained.cells.map(({ indices }) => indices.length)).toEqual(schedule[10]!.count);

    const { indices, rows } = explained.cells[1]!;
    expect(rows).toEqual(indices.map((index) => 400 + index));

    const svg = join(folder, "mixture.svg");
    expect(runCli(["pas", "preview", ...from, "--svg", svg]).stderr).toContain(`drawn in ${svg}`);
    expect(readFileSync(svg, "utf8")).toContain("legal/low</title>");
    expect(runCli(["pas", "preview", spec, "--svg", join(folder, "none/a.svg")]).code).toBe(2);

    const written = runCli(["pas", "order", ...from, "--out", join(folder, "order"), "--json"]);
    expect(written.json()).toMatchObject({ orderSha256, steps: 360 });
    expect(JSON.parse(readFileSync(join(folder, "order/order.json"), "utf8"))).toMatchObject({
      orderSha256,
      sequenceLength: 128,
    });

    // Another order takes its place, and that of nothing else.
    const another = ["pas", "order", ...from, "--set", "stages.midtrain.with.batch=4"];
    expect(runCli([...another, "--out", join(folder, "order")]).code).toBe(0);
    const thesis = join(folder, "thesis");
    mkdirSync(thesis);
    writeFileSync(join(thesis, "thesis.md"), "three years");
    writeFileSync(join(folder, "order", "notes.md"), "mine");
    writeFileSync(join(folder, "file"), "");
    for (const taken of ["thesis", "order", "file"])
      expect(runCli(["pas", "order", ...from, "--out", join(folder, taken)]).code, taken).toBe(8);
    expect(runCli(["pas", "order", ...from, "--out", "."]).stderr).toMatch(/holds more than one order/);
    expect(readFileSync(join(thesis, "thesis.md"), "utf8")).toBe("three years");
    expect(readFileSync(join(folder, "order", "notes.md"), "utf8")).toBe("mine");
  });

  it("refuses passes above the pipeline's limit with 3", () => {
    const packed = join(folder, "packed");
    mkdirSync(packed);
    const cells = [{ group: "legal", band: "low", first: 0, sequences: 4, tokens: 512 }];
    writeFileSync(join(packed, "cells.json"), JSON.stringify({ sequenceLength: 128, cells }));
    const { code, stderr } = runCli(["pas", "preview", "pipelines/demo.yaml", "--packed", packed]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/passes over max_passes 16: legal\/low 720\.0/);
  });

  it("needs a file and --out, or a job", () => {
    expect(runCli(["pas", "order", spec])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--out, or --job"),
    });
    const { code, stderr } = runCli(["pas", "order", "--job", join(folder, "none.json")]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("none.json")]);
  });
});
