import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkPipeline } from "../../src/config/load.ts";
import { packageRoot } from "../../src/core/paths.ts";

const problemsWith = (...set: string[]) =>
  checkPipeline(join(packageRoot, "pipelines/demo.yaml"), { set, root: packageRoot }).problems.map(
    ({ path, message, expected }) => `${path}: ${message}${expected ? `; expected ${expected}` : ""}`,
  );

const oneLevel = (prompts: string) => [
  `stages.rl.with.levels=[{name: choice, ${prompts}, reward: choice, longest_answer: 44, gate: {min_steps: 1, max_steps: 2}}]`,
  "stages.rl.gate=[]",
];

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
  [
    "a group of replay that the corpus does not have",
    ["stages.sft.with.replay.groups={legl: 1}"],
    /^stages\.sft\.with\.replay\.groups\.legl: corpus has no documents of the group legl in the split train; expected one of general, legal$/,
  ],
  [
    "the same of RL",
    ["stages.rl.with.replay.groups={legal: 1, synthetic: 1}"],
    /^stages\.rl\.with\.replay\.groups\.synthetic: corpus has no documents of the group synthetic/,
  ],
  [
    "a limit for a group that is not scored",
    ["stages.perplexity.with.documents={synthetic: 100}"],
    /^stages\.perplexity\.with\.documents\.synthetic: corpus has no documents of the group synthetic in the split train/,
  ],
  [
    "a share of a base model for a group that is not there",
    ["stages.base.with.shares={general: 1, synthetic: 1}"],
    /^stages\.base\.with\.shares\.synthetic: corpus has no documents of the group synthetic in the split base/,
  ],
  [
    "a weight for a group that is not packed",
    ["stages.midtrain.with.pas.weights={general: 1, leagl: 1}"],
    /^stages\.midtrain\.with\.pas\.weights\.leagl: no documents of the group leagl are packed; expected one of general, legal$/,
  ],
  [
    "one in an amendment",
    ["stages.midtrain.with.pas.amendments=[{step: 30, weights: {synthetic: 1}}]"],
    /^stages\.midtrain\.with\.pas\.amendments\[0\]\.weights\.synthetic: no documents of the group synthetic are packed/,
  ],
  [
    "a part of the mix from a pool that no task has",
    ["stages.sft.with.mix=[{pool: memorization, share: 1}]"],
    /^stages\.sft\.with\.mix\[0\]\.pool: no sample has the pool memorization; expected one of memorisation, choice$/,
  ],
  [
    "one from a task that is none",
    ["stages.sft.with.mix=[{task: general, share: 1}, {task: charge_choise, share: 1}]"],
    /^stages\.sft\.with\.mix\[1\]\.task: no sample has the task charge_choise; expected one of statute_recitation, charge_choice, general$/,
  ],
  [
    "one that selects by two things",
    ["stages.sft.with.mix=[{task: general, pool: choice, share: 1}]"],
    /^stages\.sft\.with\.mix\[0\]: an entry of the mix selects by pool and task; expected exactly one of pool, task, source$/,
  ],
  [
    "a level on a pool that no task has",
    [...oneLevel("pool: choices")],
    /^stages\.rl\.with\.levels\[0\]\.pool: no sample has the pool choices; expected one of memorisation, choice$/,
  ],
  [
    "a level on general instructions, which are no samples of a pool",
    [...oneLevel("task: general")],
    /^stages\.rl\.with\.levels\[0\]\.task: no sample has the task general/,
  ],
  [
    "a level whose pool is of another task",
    [...oneLevel("task: statute_recitation, pool: choice")],
    /^stages\.rl\.with\.levels\[0\]\.pool: no sample of the task statute_recitation is in the pool choice; expected the pool of statute_recitation: memorisation$/,
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

describe("a corpus that cannot give what is asked of it", () => {
  const source = (group: string, split: string) =>
    `{name: ${group}, group: ${group}, license: x, format: jsonl, path: data://x.jsonl, fields: {text: text}, split: ${split}}`;
  const corpus = (...sources: string[]) => [
    `stages.corpus.with.corpus={version: 1, about: x, as_of: "2026-10-01", sources: [${sources.join(", ")}]}`,
  ];
  const half = "{heldout: {share: 0.5}, base: 0.5}";
  const sound = [source("general", half), source("legal", half)];

  it("is let through where every split has a rule", () => {
    expect(problemsWith(...corpus(...sound))).toEqual([]);
    const named = source("legal", "{heldout: {where: {law: [水法]}}, base: 0.5}");
    expect(problemsWith(...corpus(sound[0]!, named))).toEqual([]);
  });

  it.each([
    [
      "nothing held out",
      "{base: 0.5}",
      /group legal can give documents to the split heldout; expected `split\.heldout` with a share above 0, or with a `where`, in one of legal$/,
    ],
    ["an empty where", "{heldout: {where: {law: []}}, base: 0.5}", /to the split heldout/],
  ])("is refused with %s, once, where the corpus stands", (_, split, says) => {
    const found = problemsWith(...corpus(sound[0]!, source("legal", split)));
    expect(found).toEqual([expect.stringMatching(/^stages\.corpus\.with\.corpus: no source of the /)]);
    expect(found[0]).toMatch(says);
  });

  it("is refused with everything held out, and with all the rest for the base model", () => {
    const all = problemsWith(...corpus(sound[0]!, source("legal", "{heldout: {share: 1}, base: 0.5}")));
    expect(all[0]).toMatch(/group legal can give documents to the split train/);
    const rest = problemsWith(...corpus(sound[0]!, source("legal", "{heldout: {share: 0.5}, base: 1}")));
    expect(rest[0]).toMatch(/group legal can give documents to the split train/);
    // Beside it stands what reads them.
    expect(rest).toContainEqual(expect.stringMatching(/^stages\.sft\.with\.replay\.groups\.legal: /));
  });

  it("is refused by a base model without the split base, and by shares of a group that gives none to it", () => {
    const none = "{heldout: {share: 0.5}}";
    expect(problemsWith(...corpus(source("general", none), source("legal", none)))).toEqual([
      expect.stringMatching(
        /^stages\.base\.with: base trains on the split base, and no source of corpus gives to it/,
      ),
    ]);
    expect(problemsWith(...corpus(sound[0]!, source("legal", none)))).toEqual([
      expect.stringMatching(
        /^stages\.base\.with\.shares\.legal: corpus has no documents of the group legal in the split base/,
      ),
    ]);
  });

  it("is refused by every stage that measures on a group it does not have", () => {
    const found = problemsWith(...corpus(sound[1]!));
    for (const stage of ["base", "midtrain", "sft", "rl", "eval"])
      expect(found).toContainEqual(
        expect.stringMatching(
          `^stages\\.${stage}\\.with\\.heldout: ${stage} measures perplexity on documents of general in the split heldout, and corpus has none`,
        ),
      );
  });

  it("is not judged where nobody knows its sources", () => {
    // A stage of another kind that makes a corpus: nothing is known of it.
    const root = join(packageRoot, "test/config/fixtures");
    expect(checkPipeline(join(root, "good.yaml"), { root }).problems).toEqual([]);
  });

  it("names its line, and the file that holds the sources", () => {
    const { problems } = checkPipeline(join(packageRoot, "pipelines/demo.yaml"), {
      root: packageRoot,
      set: ["stages.sft.with.replay.groups.legl=1"],
    });
    expect(problems).toMatchObject([
      { hint: "did you mean `legal`? the sources stand in configs/corpora/demo.yaml" },
    ]);
    const text = readFileSync(join(packageRoot, "pipelines/demo.yaml"), "utf8").replace(
      "pool: memorisation, share",
      "pool: memory, share",
    );
    const line = text.split("\n").findIndex((one) => one.includes("pool: memory")) + 1;
    const written = checkPipeline(join(packageRoot, "pipelines/demo.yaml"), { root: packageRoot, text });
    expect(written.problems).toMatchObject([
      { line, hint: expect.stringContaining("the tasks and their pools stand in configs/lead/demo.yaml") },
    ]);
  });
});
