import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseOverrides } from "../../src/config/form/overrides.ts";
import { checkPipeline, loadPipeline } from "../../src/config/load.ts";
import { LegaloneError } from "../../src/core/errors.ts";
import { packageRoot } from "../../src/core/paths.ts";

const root = join(packageRoot, "test/config/fixtures");
const good = join(root, "good.yaml");
const stage = (name: string, set: string[] = []) =>
  loadPipeline(good, { root, set }).stages.find((stage) => stage.name === name)!;
const problemsOf = (file: string, set: string[] = []) =>
  checkPipeline(join(root, file), { root, set }).problems;
const has = (set: string[], part: object) =>
  expect(problemsOf("good.yaml", set)).toContainEqual(expect.objectContaining(part));

describe("a good pipeline", () => {
  it("is ordered by needs and, where they leave it open, as written", () => {
    expect(loadPipeline(good, { root }).stages.map(({ name, position }) => [position, name])).toEqual([
      [0, "corpus"],
      [1, "start"],
      [2, "score"],
      [3, "tuned"],
      [4, "measure"],
    ]);
  });
  it("binds inputs by kind of artifact", () => {
    expect(stage("tuned").inputs).toEqual([
      { kind: "packed", stage: "score" },
      { kind: "model", stage: "start" },
    ]);
    expect(stage("measure").inputs).toEqual([
      { kind: "model", stage: "tuned" },
      { kind: "model", stage: "start" },
    ]);
  });
  it("fills in defaults, inlines configurations and makes paths absolute", () => {
    expect(stage("tuned").with).toEqual({
      tokens: 100_000_000_000,
      pas: { lambda: 4, hold: "none" },
      rewards: [{ name: "accuracy", metric: "accuracy" }],
      template: join(root, "words.txt"),
      teacher: { url: "http://localhost:1", name: "teacher" },
    });
    expect(stage("corpus").with).toEqual({
      corpus: { name: "small", sources: [{ path: "data://laws.jsonl", limit: 100 }] },
    });
    // What is written in place is nowhere a file, but its reader asks for a name all the same.
    const written = ["stages.corpus.with.corpus={sources: [{path: data://laws.jsonl, limit: 7}]}"];
    expect(stage("corpus", written).with).toMatchObject({ corpus: { name: "inline" } });
    expect(stage("corpus", written).identity).toMatchObject({ with: { corpus: { name: "inline" } } });
  });
  it("reads durations, budgets, gates and resources", () => {
    expect(stage("tuned")).toMatchObject({
      timeoutSeconds: 129_600,
      retry: { infra: 10, user: 0, numeric: 2 },
      checkpoint: { every: 10 },
      resources: { nodes: 1, npus: 0 },
      gates: [
        { metric: "loss", comparison: "below", against: { stage: "start", metric: "loss" } },
        { metric: "easy_reward_after", comparison: "at_least", against: 0.1 },
      ],
    });
    const gated = ["stages.tuned.gate={metric: loss, at_most: 1.5 * start.loss}"];
    expect(stage("tuned", gated).gates).toEqual([
      { metric: "loss", comparison: "at_most", against: { stage: "start", metric: "loss", times: 1.5 } },
    ]);
    expect(stage("start").resources).toEqual({ nodes: 1, npus: 0 });
    expect(stage("start", ["cluster=two-nodes"]).resources).toEqual({ nodes: 2, npus: 8 });
  });
  it("keeps addresses, paths and a model that is not read out of the identity", () => {
    expect(stage("tuned").identity).toMatchObject({
      with: { teacher: { name: "teacher" }, template: "words.txt" },
      shards: 1,
    });
    expect(stage("tuned").identity.with).not.toHaveProperty("teacher.url");
    expect(stage("tuned").identity).toHaveProperty("model.hidden_size", 32);
    expect(stage("corpus").identity).not.toHaveProperty("model");
  });
  it("carries the merge rules of a split stage", () => {
    expect(stage("score").merge).toEqual({ documents: "sum" });
    expect(stage("score", ["stages.score.shards=1"])).not.toHaveProperty("merge");
  });
  it("binds the weights of the model where no stage makes one", () => {
    const [input] = stage("start", ["model=given"]).inputs.filter(({ kind }) => kind === "model");
    expect(input).toMatchObject({
      stage: null,
      uri: `file://${root}/configs/weights/tiny`,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });
});

describe("overrides", () => {
  it("take YAML values and come after those of the environment", () => {
    expect(parseOverrides(["a.b=[1, x]"], "a.b=2; c=true")).toMatchObject([
      { path: ["a", "b"], value: 2 },
      { path: ["c"], value: true },
      { path: ["a", "b"], value: [1, "x"] },
    ]);
    expect(stage("tuned", ["stages.tuned.with.pas.lambda=7"]).with).toMatchObject({ pas: { lambda: 7 } });
  });
  it("are named where they are wrong", () => {
    has(["stages.tuned.with.tokens=few"], {
      file: "--set stages.tuned.with.tokens=few",
      path: "stages.tuned.with.tokens",
    });
    has(["name.x=1"], { message: expect.stringContaining("single value") });
    expect(() => parseOverrides(["x"], "")).toThrow(LegaloneError);
  });
});

describe("a wrong pipeline", () => {
  it("shows every error at once, each with its place", () => {
    const file = join(root, "bad.yaml");
    const seen = problemsOf("bad.yaml").map(({ file: where, line, column, path, hint }) =>
      [where === file ? "" : where.slice(root.length + 1), line, column, path, hint ?? ""].join("|"),
    );
    expect(seen.sort()).toEqual(
      [
        "configs/corpora/broken.yaml|3|5|sources[0].limt|did you mean `limit`?",
        "|1|1|version|",
        "|10|5|stages.start.uses|did you mean `tune`?",
        "|13|21|stages.score.needs[1]|did you mean `start`?",
        "|14|5|stages.score.shards|",
        "|15|12|stages.score.with.length|Tokens of a sequence.",
        "|15|23|stages.score.with.lenght|did you mean `length`?",
        "|2|1|nme|did you mean `name`?",
        "|20|7|stages.tuned.with.tokens|Tokens to train on.",
        "|21|13|stages.tuned.with.pas.lamda|did you mean `lambda`?",
        "|21|23|stages.tuned.with.pas.hold|did you mean `group`?",
        "|22|17|stages.tuned.with.rewards[0]|did you mean `accuracy`?",
        "|23|5|stages.tuned.timeout|",
        "|24|12|stages.tuned.gate.metric|did you mean `loss`?",
        "|27|5|stages.again.gate|",
        "|4|1|model|did you mean `tiny`?",
      ].sort(),
    );
  });
  it("names a cycle", () => {
    has(["stages.start.needs=[measure]"], {
      message: expect.stringContaining("start needs measure needs tuned needs score needs start"),
    });
  });
  it("names the candidates of an ambiguous input and the makers of a missing one", () => {
    has(["stages.export={uses: score, needs: [corpus, start, tuned]}"], {
      path: "stages.export.needs",
      hint: "take one of start, tuned out of needs",
    });
    has(["stages.score.needs=[start]"], { path: "stages.score.needs", hint: "add corpus to needs" });
    has(["stages.measure.needs=[]"], { hint: "add start or tuned to needs" });
  });
  it("refuses a split stage before one that takes a single artifact", () => {
    has(["stages.measure.needs=[tuned, score]"], {
      path: "stages.score.shards",
      message: "score makes 2 of packed, one a shard, but measure (measure) takes one",
      hint: "set shards of score to 1",
    });
    expect(problemsOf("good.yaml", ["stages.measure.needs=[tuned, score]", "stages.score.shards=1"])).toEqual(
      [],
    );
  });
  it("refuses a gate on a metric that shards cannot put together", () => {
    has(["stages.score.gate={metric: hardest, below: 3}"], {
      path: "stages.score.gate.metric",
      message: expect.stringMatching(/`hardest` of 2 shards cannot be put together/),
      expected: "a metric of score that has a rule: documents",
    });
    has(["stages.tuned.gate={metric: loss, below: score.hardest}"], { path: "stages.tuned.gate.below" });
    expect(problemsOf("good.yaml", ["stages.score.gate={metric: documents, above: 3}"])).toEqual([]);
  });
  it("refuses a threshold of a stage that does not end before", () => {
    has(["stages.start.gate={metric: loss, below: tuned.loss}"], {
      message: expect.stringContaining("does not end before"),
    });
  });
  it("says what YAML itself dislikes", () => {
    expect(checkPipeline(join(root, "twice.yaml"), { root }).problems).toEqual([
      expect.objectContaining({ line: 3, column: 1, message: expect.stringContaining("unique") }),
    ]);
  });
  it("throws one error that lists them all", () => {
    expect(() => loadPipeline(join(root, "bad.yaml"), { root })).toThrow(
      /16 errors[\s\S]*bad.yaml:21:13 stages.tuned.with.pas.lamda: unknown key/,
    );
    expect(() => loadPipeline(join(root, "none.yaml"), { root })).toThrow(/there is no file/);
  });
});
