import { join } from "node:path";
import { expect, it } from "vitest";
import { checkPipeline } from "../../src/config/load.ts";
import { packageRoot } from "../../src/core/paths.ts";

const problemsWith = (...set: string[]) =>
  checkPipeline(join(packageRoot, "pipelines/demo.yaml"), { set, root: packageRoot }).problems.map(
    ({ path, message, expected }) => `${path}: ${message}${expected ? `; expected ${expected}` : ""}`,
  );

it("finds nothing in a sound pipeline", () => {
  expect(problemsWith()).toEqual([]);
  expect(problemsWith("stages.midtrain.with.pas.weights={general: 0}")).toEqual([]);
});

it.each([
  [
    "a warm-up that is longer than the run",
    ["stages.midtrain.with.schedule.warmup=500"],
    /^stages\.midtrain\.with\.schedule: warm-up 500 and decay \d+ are longer than the 360 steps$/,
  ],
  [
    "one that is longer than its tokens give steps",
    ["stages.midtrain.with.steps=null", "stages.midtrain.with.tokens=1e4"],
    /^stages\.midtrain\.with\.schedule: warm-up \d+ and decay \d+ are longer than the \d+ steps$/,
  ],
  [
    "a lowest rate above the highest",
    ["stages.midtrain.with.schedule.min=1"],
    /^stages\.midtrain\.with\.schedule\.min: min 1 is above max/,
  ],
  [
    "thresholds in the wrong order",
    ["stages.perplexity.with.bands={mode: absolute, low: 9, middle: 5, high: 30}"],
    /^stages\.perplexity\.with\.bands: the thresholds are 9, 5 and 30; expected low below middle below high$/,
  ],
  [
    "a quantile above 1",
    ["stages.perplexity.with.bands={mode: quantile, low: 0.2, middle: 0.5, high: 30}"],
    /^stages\.perplexity\.with\.bands\.high: 30 is no quantile; expected at most 1$/,
  ],
  [
    "weights that are all 0",
    ["stages.midtrain.with.pas.weights={general: 0, legal: {low: 0, high: 0}}"],
    /^stages\.midtrain\.with\.pas\.weights: every weight is 0; expected a weight above 0$/,
  ],
  [
    "a sequence that is longer than the model reads",
    ["stages.perplexity.with.sequence_length=513"],
    /^stages\.perplexity\.with\.sequence_length: 513 tokens are more than tiny reads; expected at most 512 /,
  ],
  [
    "documents that are scored beyond it",
    ["stages.midtrain.with.heldout.tokens=4096"],
    /^stages\.midtrain\.with\.heldout\.tokens: 4096 tokens are more than tiny reads/,
  ],
  [
    "an answer that does not fit after its prompt",
    ["stages.eval.with.longest_answer=321"],
    /^stages\.eval\.with\.longest_answer: 321 tokens after 192 of longest_prompt are more than tiny reads; expected at most 512 together/,
  ],
  [
    "one of a level of RL",
    [
      "stages.rl.with.longest_prompt=469",
      "stages.rl.with.levels=[{name: choice, pool: choice, reward: choice, longest_answer: 44, gate: {min_steps: 1, max_steps: 2}}]",
      "stages.rl.gate=[]",
    ],
    /^stages\.rl\.with\.levels\[0\]\.longest_answer: 44 tokens after 469 of longest_prompt are more than tiny reads/,
  ],
  [
    "a group without bands",
    ["stages.midtrain.with.pas.weights={general: 1, legal: {}}"],
    /^stages\.midtrain\.with\.pas\.weights\.legal: a group without a band gets nothing$/,
  ],
  [
    "a weight below 0",
    ["stages.midtrain.with.pas.weights={general: -1}"],
    /^stages\.midtrain\.with\.pas\.weights\.general: .*-1/,
  ],
  [
    "an amendment after the end",
    ["stages.midtrain.with.pas.amendments=[{step: 360, lambda: 0}]"],
    /^stages\.midtrain\.with\.pas\.amendments\[0\]\.step: step 360 is not reached: the steps are 0 to 359$/,
  ],
  [
    "amendments out of order",
    ["stages.midtrain.with.pas.amendments=[{step: 30}, {step: 20}]"],
    /^stages\.midtrain\.with\.pas\.amendments\[1\]\.step: step 20 comes after step 30/,
  ],
  [
    "an amendment whose weights are all 0",
    ["stages.midtrain.with.pas.amendments=[{step: 30, weights: {general: 0, legal: 0}}]"],
    /^stages\.midtrain\.with\.pas\.amendments\[0\]\.weights: every weight is 0/,
  ],
])("refuses %s, at its place", (_, set, expected) => {
  expect(problemsWith(...set)).toEqual([expect.stringMatching(expected)]);
});

it("gives lengths that nobody wrote from the model, and schedules from the steps", () => {
  const { pipeline, problems } = checkPipeline(join(packageRoot, "pipelines/demo.yaml"), {
    root: packageRoot,
    set: [
      "stages.perplexity.with={}",
      "stages.midtrain.with={steps: 100, batch: 2}",
      "stages.sft.with={steps: 50}",
      "stages.eval.with={evaluation: demo}",
    ],
  });
  expect(problems).toEqual([]);
  const options = Object.fromEntries(pipeline!.stages.map((stage) => [stage.name, stage.with]));
  expect(options.perplexity).toMatchObject({ sequence_length: 512, score: { tokens: 512 } });
  expect(options.midtrain).toMatchObject({
    schedule: { warmup: 5, decay: 20 },
    heldout: { tokens: 512 },
  });
  expect(options.sft).toMatchObject({
    length: 512,
    schedule: { warmup: 2, decay: 10 },
    checks: { longest_prompt: 256, longest_answer: 256 },
  });
  expect(options.eval).toMatchObject({ longest_prompt: 256, longest_answer: 256, longest_option: 512 });
  // A model that reads more leaves the recipe's numbers as they are.
  const real = checkPipeline(join(packageRoot, "pipelines/legalone-8b.yaml"), { root: packageRoot });
  const midtrain = real.pipeline!.stages.find(({ kind }) => kind === "midtrain")!;
  expect(midtrain.with).toMatchObject({ schedule: { warmup: 2000, decay: 4000 } });
});
