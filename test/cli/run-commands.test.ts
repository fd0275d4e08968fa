import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";

/** Two trainings, a gate between them, and a delivery. */
const tiny = `
version: 1
name: tiny
seed: 1
stages:
  data: {uses: make-data}
  base: {uses: tiny-train, needs: [data], with: {legal_ppl: 350}}
  midtrain:
    uses: tiny-train
    needs: [data, base]
    with: {legal_ppl: 240}
    gate: {metric: legal_ppl, below: base.legal_ppl}
  export: {uses: deliver, needs: [midtrain]}
`;

const lastLine = (text: string) => JSON.parse(text.trim().split("\n").at(-1) ?? "null");

let line: CommandLine;
let file: string;
let run: string;

beforeAll(async () => {
  line = openCommandLine();
  file = line.pipeline("tiny", tiny);
});
afterAll(() => line.close());

describe("a run that goes well", () => {
  test("train starts what is needed, follows, and ends with a summary", async () => {
    const { code, stdout, stderr } = await line.legalone("train", file, "--idempotency-key", "k1");
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("started") });
    expect(stdout).toMatch(/✓ midtrain: done in .* held-out loss 8 → 4 · legal ppl 240/);
    expect(stdout).toMatch(/! base: this is no training/);
    expect(stdout).toMatch(/✓ gate midtrain {2}legal ppl below base legal ppl {2}240 {2}< 350 {2}holds/);
    expect(stdout).toContain("no-teacher answered in place of a model in base, midtrain");
    run = stdout.match(/^run (\w+) of tiny succeeded/m)?.[1] ?? "";
    expect(run).toMatch(/^r\w{9}$/);
  });

  test("status lists it, shows it by a beginning of its id, and judges it", async () => {
    expect((await line.legalone("status")).stdout).toMatch(new RegExp(`${run} +tiny +succeeded +4/4`));
    const { code, stdout } = await line.legalone("status", run.slice(0, 4), "--json", "--exit-code");
    expect(code).toBe(0);
    expect(lastLine(stdout)).toMatchObject({
      type: "verdict",
      run,
      state: "succeeded",
      exitCode: 0,
      gates: { passed: 1, failed: 0 },
    });
  });

  test("the same key attaches and ends with the same code; another configuration is a conflict", async () => {
    const again = await line.legalone("train", file, "--idempotency-key", "k1", "--json");
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout.split("\n")[0]!)).toMatchObject({ type: "run", run, attached: true });
    expect(lastLine(again.stdout)).toMatchObject({ type: "verdict", run, exitCode: 0 });
    const other = await line.legalone("train", file, "--idempotency-key", "k1", "--set", "seed=2", "--json");
    expect(other.code).toBe(8);
    expect(lastLine(other.stdout).error).toMatchObject({ code: "E_CONFLICT", run });
  });

  test("an unchanged pipeline takes every output from before", async () => {
    const { code, stdout } = await line.legalone("train", file);
    expect(code).toBe(0);
    expect(stdout.match(/unchanged, outputs of run/g)).toHaveLength(4);
    expect(stdout).toContain(`from run ${run}`.slice(5));
  });

  test("logs tell what happened, and what the worker wrote", async () => {
    expect((await line.legalone("logs", run, "base")).stdout).toMatch(
      /base {2}worker\.warning {2}this is no training/,
    );
    expect((await line.legalone("logs", run, "base", "--stdout")).stdout).toBe("training from step 0\n");
    const json = await line.legalone("logs", run, "--json");
    expect(lastLine(json.stdout)).toMatchObject({ type: "verdict", run });
  });

  test("metrics give every point as JSON and a table for people", async () => {
    const { stdout } = await line.legalone("metrics", run, "base", "--json");
    const points = stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text))
      .filter((one) => one.type === "metric");
    expect(points).toHaveLength(20);
    expect(points.at(-1)).toMatchObject({ stage: "base", name: "loss", step: 20, value: 4 });
    expect((await line.legalone("metrics", run)).stdout).toMatch(/midtrain {2}loss +20/);
  });

  test("report writes one file with the curves of the run", async () => {
    const path = join(line.home, "report.html");
    expect((await line.legalone("report", run, "--out", path)).code).toBe(0);
    const page = readFileSync(path, "utf8");
    expect(page).toContain("base: loss");
    expect(page).toContain("holds");
    const wrong = await line.legalone("report", run, "--out", "/nowhere/report.html");
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("/nowhere/report.html") });
  });

  test("lineage goes back to the data", async () => {
    const { stdout } = await line.legalone("lineage", run);
    expect(stdout.split("\n").map((text) => text.replace(/, .*/, ""))).toEqual([
      "delivery  by export",
      "└─ model  by midtrain",
      "   ├─ corpus  by data",
      "   └─ model  by base",
      "      └─ corpus  by data",
      "",
    ]);
  });

  test("verify finds all of it sound, and changes nothing", async () => {
    const { code, stdout } = await line.legalone("verify", run);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^4 of 4 artifacts are sound/),
    });
    expect((await line.legalone("verify", "--anew", "--json")).code).toBe(0);
  });

  test("export copies the model whole, once, and notices an altered file", async () => {
    const to = join(line.home, "model");
    expect((await line.legalone("export", run, "--to", to)).code).toBe(0);
    expect(readFileSync(join(to, "deep", "README.md"), "utf8")).toBe("# delivered\n");
    expect((await line.legalone("export", run, "--to", to)).code).toBe(8);
    const verdict = lastLine((await line.legalone("status", run, "--json")).stdout);
    writeFileSync(join(new URL(verdict.model).pathname, "config.json"), "{}");
    const altered = await line.legalone("export", run, "--to", to, "--force");
    expect(altered).toMatchObject({
      code: 8,
      stderr: expect.stringContaining("was altered after it was committed"),
    });
    expect(readFileSync(join(to, "config.json"), "utf8")).toContain("steps");
  });

  test("verify says what is damaged, who made it and what makes it again, which then does", async () => {
    const damaged = await line.legalone("verify", run, "--anew");
    expect(damaged).toMatchObject({ code: 8, stderr: expect.stringContaining("1 damaged, 0 missing") });
    expect(damaged.stdout).toMatch(
      new RegExp(
        `^damaged {2}delivery \\w+ {2}made by export of run ${run}, attempt ${run}-export-g1-s0-e1$`,
        "m",
      ),
    );
    expect(damaged.stdout).toMatch(/^ {2}config\.json: /m);
    expect(damaged.stdout).toMatch(/^3 of 4 artifacts are sound/m);
    const [, ...again] = (damaged.stdout.match(/^ {2}legalone (retry .*)$/m)?.[1] ?? "").split(" ");
    expect(again).toEqual([run, "--stage", "export"]);
    const json = await line.legalone("verify", run, "--stage", "export", "--json");
    expect(JSON.parse(json.stdout.split("\n")[0]!)).toMatchObject({
      type: "damaged",
      stage: "export",
      next: `legalone retry ${again.join(" ")}`,
    });
    expect(lastLine(json.stdout)).toMatchObject({ type: "verify", artifacts: 1, damaged: 1 });
    expect((await line.legalone("verify", run, "--stage", "base")).code).toBe(0);
    expect((await line.legalone("retry", ...again)).code).toBe(0);
    expect(await line.legalone("verify", run, "--anew")).toMatchObject({ code: 0, stderr: "" });
  });

  test("a name that is no run ends with 7 and near ids", async () => {
    const { code, stderr } = await line.legalone("status", `${run.slice(0, 3)}zzzz`);
    expect(code).toBe(7);
    expect(stderr).toContain(run);
    expect((await line.legalone("logs", run, "sft")).code).toBe(7);
  });
});
