import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandLine } from "../support/command-line.ts";
import { lastLine, runNamed, stagesOf } from "../support/json-lines.ts";
import { trainChain } from "../support/trained-chain.ts";

/** Each test starts Python several times, beside whatever else this machine does. */
const patience = { timeout: 240_000 };

let line: CommandLine;
let file: string;
let first: string;
beforeAll(async () => {
  ({ line, file, first } = await trainChain());
}, 240_000);
afterAll(() => line.close());

describe("fork", patience, () => {
  test("begins a stage from a checkpoint of the old run, under other options, with its lineage", async () => {
    const outcome = await line.legalone(
      ...["fork", first, "--stage", "base", "--step", "12"],
      ...["--set", "stages.base.with.steps=30", "--json"],
    );
    expect(outcome.code).toBe(0);
    const run = runNamed(outcome);
    expect(lastLine(outcome)).toMatchObject({
      forkedFrom: first,
      stages: { data: "SKIPPED", base: "SUCCEEDED" },
    });
    expect((await line.legalone("logs", run, "base", "--stdout")).stdout).toBe("training from step 10\n");
    expect((await line.legalone("status", run)).stdout).toContain(`fork of ${first}`);
    const attempt = join(line.home, "attempts", `${run}-base-g1-s0-e1`);
    const { resume } = JSON.parse(readFileSync(join(attempt, "job.json"), "utf8"));
    expect(resume).toMatchObject({ step: 10, fork: true });
    const { stdout } = await line.legalone("lineage", run, "--stage", "base");
    expect(stdout).toMatch(new RegExp(`checkpoint step 10 {2}by base of run ${first}`));
    const job = await line.legalone("lineage", run, "--stage", "base", "--json");
    expect(lastLine(job)).toMatchObject({
      kind: "model",
      parents: [{ kind: "corpus" }, { kind: "checkpoint", step: 10 }],
    });
  });

  test("its outputs are not those of an unforked stage, and those of an equal fork are", async () => {
    const set = ["--set", "stages.base.with.steps=30"];
    const plan = JSON.parse((await line.legalone("plan", file, ...set, "--json")).stdout);
    expect(plan.stages[1]).toMatchObject({ name: "base", action: "RUN", changed: [{ what: "start" }] });
    const again = await line.legalone("fork", first, "--stage", "base", "--step", "10", ...set, "--json");
    expect(stagesOf(again)).toEqual({ data: "SKIPPED", base: "SKIPPED", tune: "SKIPPED", export: "SKIPPED" });
    const later = await line.legalone("fork", first, "--stage", "base", ...set, "--until", "base", "--json");
    expect(stagesOf(later)).toMatchObject({ base: "SUCCEEDED" });
  });

  test("lists the steps there are where none fits, and refuses what is no stage", async () => {
    const none = await line.legalone("fork", first, "--stage", "base", "--step", "3");
    expect(none).toMatchObject({ code: 7, stderr: expect.stringContaining("there are steps 5, 10, 15, 20") });
    expect((await line.legalone("fork", first, "--stage", "data")).code).toBe(7);
    expect((await line.legalone("fork", first, "--stage", "nowhere")).code).toBe(2);
  });
});
