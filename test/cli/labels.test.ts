import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";
import { lastLine, linesOf, runNamed } from "../support/json-lines.ts";

const patience = { timeout: 240_000 };

let line: CommandLine;
let first: string;
beforeAll(async () => {
  line = openCommandLine();
  const file = line.pipeline(
    "kept",
    `
version: 1
name: kept
stages:
  data: {uses: make-data}
  train: {uses: tiny-train, needs: [data], with: {steps: 20}, checkpoint: {every: 5, keep: 9}}
`,
  );
  const words = [
    "train",
    file,
    "--json",
    "--name",
    "basis",
    "--tag",
    "消融",
    "--tag",
    "keep",
    "--note",
    "the first\none",
  ];
  const outcome = await line.legalone(...words);
  expect(outcome.code).toBe(0);
  first = runNamed(outcome);
  const second = await line.legalone(
    "train",
    file,
    "--json",
    "--set",
    "seed=7",
    "--name",
    "seed-7",
    "--tag",
    "keep",
  );
  expect(second.code).toBe(0);
}, 240_000);
afterAll(() => line.close());

test("a name stands where an id does; list, status, report and JSON show the labels", patience, async () => {
  const { stdout } = await line.legalone("status");
  expect(stdout).toMatch(/NAME +PIPELINE .* TAGS +AT +DIFFERS\n/);
  expect(stdout).toMatch(/seed-7 +kept .* keep +seed=7/);
  expect(stdout).toMatch(/basis +kept .* 消融, keep +seed=42/);
  const one = await line.legalone("status", "basis");
  expect(one.stdout).toMatch(
    new RegExp(`^run ${first} {2}basis {2}kept .*tagged 消融, keep\n {2}the first\n {2}one\n`),
  );
  expect(lastLine(await line.legalone("status", "basis", "--json"))).toMatchObject({
    run: first,
    name: "basis",
    tags: ["消融", "keep"],
    note: "the first\none",
  });
  const [listed] = linesOf(await line.legalone("status", "--tag", "消融", "--tag", "keep", "--json"));
  expect(listed).toMatchObject({ run: first, name: "basis", differs: {} });
  expect((await line.legalone("status", "--tag", "消融", "--pipeline", "other")).stdout).toContain(
    "No run is of",
  );
  expect((await line.legalone("status", "basis", "--tag", "keep")).code).toBe(2);
  await line.legalone("report", "basis", "--out", join(line.home, "report.html"));
  expect(readFileSync(join(line.home, "report.html"), "utf8")).toContain("<b>basis</b>");
});

test(
  "label changes them, a fork takes over tags and note, and the next run takes all from the cache",
  patience,
  async () => {
    const fork = await line.legalone(
      "fork",
      "basis",
      "--stage",
      "train",
      "--step",
      "10",
      "--tag",
      "late",
      "--json",
    );
    expect(fork.code).toBe(0);
    expect(lastLine(fork)).toMatchObject({
      name: null,
      tags: ["消融", "keep", "late"],
      note: "the first\none",
    });
    const changed = await line.legalone(
      "label",
      "basis",
      "--name",
      "start",
      "--untag",
      "消融",
      "--no-note",
      "--json",
    );
    expect(linesOf(changed)).toMatchObject([
      { type: "label", run: first, name: "start", tags: ["keep"], note: null, before: { name: "basis" } },
      { type: "verdict", run: first, name: "start" },
    ]);
    expect((await line.legalone("status", "basis")).code).toBe(7);
    expect((await line.legalone("logs", "start")).stdout).toMatch(/run\.labelled .*name=start/);
    const again = await line.legalone("resume", "start", "--json");
    expect(lastLine(again)).toMatchObject({ run: first, name: "start", tags: ["keep"] });
    const file = join(line.home, "kept.yaml");
    const cached = await line.legalone("train", file, "--name", "other", "--tag", "x", "--json");
    expect(lastLine(cached)).toMatchObject({ stages: { data: "SKIPPED", train: "SKIPPED" } });
  },
);
