import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandLine } from "../support/command-line.ts";
import { lastLine, linesOf, runNamed, stagesOf } from "../support/json-lines.ts";
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

const planned = async (...words: string[]) => {
  const { code, stdout } = await line.legalone("plan", file, ...words, "--json");
  const plan = JSON.parse(stdout) as {
    verdict: string;
    stages: { name: string; action: string; why: string }[];
  };
  return {
    code,
    plan,
    why: Object.fromEntries(plan.stages.map(({ name, action, why }) => [name, `${action}: ${why}`])),
  };
};

describe("--from and --until", patience, () => {
  test("runs the stage and what follows afresh, and takes the rest by content", async () => {
    const { why } = await planned("--from", "tune");
    expect(why).toEqual({
      data: `SKIP: the same code, options and inputs ran in ${first}`,
      base: `SKIP: the same code, options and inputs ran in ${first}`,
      tune: "RUN: afresh: --from tune",
      export: "RUN: afresh: --from tune; after tune",
    });
    const outcome = await line.legalone("train", file, "--from", "tune", "--until", "tune", "--json");
    expect(outcome.code).toBe(0);
    expect(stagesOf(outcome)).toEqual({
      data: "SKIPPED",
      base: "SKIPPED",
      tune: "SUCCEEDED",
      export: "CANCELLED",
    });
  });

  test("is refused with 3 where a stage before it has no outputs, which says what changed", async () => {
    const outcome = await line.legalone(
      "train",
      file,
      "--from",
      "tune",
      "--set",
      "stages.base.with.steps=25",
    );
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toMatch(
      /base: --from tune needs its outputs, and there are none: option steps 20 -> 25/,
    );
    expect((await planned("--from", "tune", "--set", "stages.base.with.steps=25")).code).toBe(3);
    expect((await line.legalone("train", file, "--from", "tune", "--until", "base")).code).toBe(2);
  });

  test("plan names what changed since the last run", async () => {
    const { why } = await planned("--set", "stages.tune.with.legal_ppl=250", "--set", "seed=9");
    expect(why.tune).toMatch(
      /^RUN: option legal_ppl 300 -> 250; seed 42 -> 9 since r\w{9}; after data, base$/,
    );
    expect(why.data).toMatch(/^RUN: seed 42 -> 9 since r\w{9}$/);
  });

  test("a key attaches only to the same --from; the priority may differ", async () => {
    const words = ["train", file, "--idempotency-key", "steer", "--until", "base", "--detach", "--json"];
    const one = await line.legalone(...words, "--from", "base", "--priority", "2");
    const two = await line.legalone(...words, "--from", "base", "--priority", "3");
    expect(lastLine(two)).toMatchObject({ run: lastLine(one).run, attached: true });
    const other = await line.legalone(...words, "--from", "data");
    expect(other.code).toBe(8);
    expect(lastLine(other).error).toMatchObject({
      message: expect.stringContaining("another --from (base)"),
    });
    const run = runNamed(one);
    await line.legalone("watch", run);
    expect(lastLine(await line.legalone("status", run, "--json"))).toMatchObject({
      priority: 2,
      exitCode: 0,
    });
    const changed = await line.legalone("priority", run, "--json", "--", "-7");
    expect(linesOf(changed)).toMatchObject([
      { type: "priority", run, priority: -7, before: 2 },
      { type: "verdict", run, priority: -7 },
    ]);
    expect((await line.legalone("logs", run)).stdout).toMatch(/run\.priority {2}by=\S+ before=2 priority=-7/);
  });
});

describe("again", patience, () => {
  test("retry of a stage that succeeded really runs it again, from step 0, and what follows", async () => {
    const outcome = await line.legalone("retry", first, "--stage", "tune", "--json");
    expect(outcome.code).toBe(0);
    expect(linesOf(outcome)[0]).toMatchObject({ type: "resume", stages: ["tune", "export"] });
    expect(stagesOf(outcome)).toMatchObject({ data: "SUCCEEDED", tune: "SUCCEEDED", export: "SUCCEEDED" });
    const attempts = readdirSync(join(line.home, "attempts"));
    expect(attempts).toContain(`${first}-tune-g2-s0-e1`);
    expect((await line.legalone("logs", first, "tune", "--stdout")).stdout).toBe("training from step 0\n");
  });

  test("plan, train and resume tell one story of a run that failed", async () => {
    const set = ["--set", "stages.tune.with.fail=user_error", "--set", "stages.tune.with.fail_generations=1"];
    const failed = await line.legalone("train", file, ...set, "--json");
    expect(failed.code).toBe(4);
    const run = runNamed(failed);
    expect((await planned(...set)).why.tune).toBe(
      `RESUME: \`legalone resume ${run}\` goes on from step 5; a new run begins at 0`,
    );
    const shown = await line.legalone("plan", file, ...set);
    expect(shown.stdout).toContain("RESUME(5)");
    expect(shown.stdout).toContain(`Ready: legalone resume ${run} goes on`);
    const again = await line.legalone("train", file, ...set, "--detach");
    expect(again.stderr).toContain(`legalone resume ${run}`);
    await line.legalone("watch", again.stdout.split("\n")[0]!);
    expect((await line.legalone("resume", run)).code).toBe(0);
    expect((await line.legalone("logs", run, "tune", "--stdout")).stdout).toBe("training from step 5\n");
  });
});
