import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadPipeline } from "../../src/config/load.ts";
import type { EarlierStage } from "../../src/core/earlier-stage.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { gatherExisting } from "../../src/plan/existing.ts";
import { planPipeline, stageKey } from "../../src/plan/plan.ts";
import type { CachedStage, Existing } from "../../src/plan/types.ts";
import { nothingBefore } from "../support/existing.ts";

const root = join(packageRoot, "test/config/fixtures");
const load = (...set: string[]) => loadPipeline(join(root, "good.yaml"), { root, set });
const nothing = nothingBefore(load());
const actions = (existing: Existing, ...set: string[]) =>
  Object.fromEntries(planPipeline(load(...set), existing).stages.map(({ name, action }) => [name, action]));

/** `existing` in which the first `count` stages of the pipeline have run, found by walking the keys as the plan does. */
function ran(count: number, change: Partial<Existing> = {}, ...set: string[]): Existing {
  const pipeline = load(...set);
  const existing = { ...nothing, ...change };
  const cached = new Map<string, CachedStage>();
  const outputs = new Map<string, { kind: string; sha256: string }[]>();
  for (const stage of pipeline.stages.slice(0, count)) {
    const key = stageKey(stage, pipeline.seed, existing, outputs)!;
    const artifacts = stage.outputs.map((kind) => ({ kind, sha256: `${stage.name}-${kind}` }));
    cached.set(key, { run: "rearlier", stageId: `rearlier-${stage.name}-g1`, artifacts });
    outputs.set(stage.name, artifacts);
  }
  return { ...existing, cached };
}

describe("a plan", () => {
  it("runs everything where nothing is there, in order", () => {
    const plan = planPipeline(load(), nothing);
    expect(plan.stages.map(({ name, action }) => [name, action])).toEqual([
      ["corpus", "RUN"],
      ["start", "RUN"],
      ["score", "RUN"],
      ["tuned", "RUN"],
      ["measure", "RUN"],
    ]);
    expect(plan.verdict).toBe("ready");
    expect(plan.stages[0]!.cacheKey).toMatch(/^[0-9a-f]{64}$/);
    expect(plan.stages[1]!.cacheKey).toBeNull();
  });

  it("skips what ran with the same code, options and inputs", () => {
    expect(actions(ran(3))).toEqual({
      corpus: "SKIP",
      start: "SKIP",
      score: "SKIP",
      tuned: "RUN",
      measure: "RUN",
    });
    expect(planPipeline(load(), ran(5)).verdict).toBe("nothing to do");
    expect(planPipeline(load(), ran(5)).stages[0]!.why).toContain("rearlier");
  });

  it("runs again from the stage whose options, code or seed changed", () => {
    expect(actions(ran(5), "stages.score.with.length=64")).toMatchObject({
      corpus: "SKIP",
      start: "SKIP",
      score: "RUN",
      tuned: "RUN",
      measure: "RUN",
    });
    expect(actions({ ...ran(5), codeHashes: { ...nothing.codeHashes, tuned: "t2" } })).toMatchObject({
      score: "SKIP",
      tuned: "RUN",
    });
    expect(actions(ran(5), "seed=7")).toMatchObject({ corpus: "RUN" });
  });

  it("does not care about addresses, retries, resources or where the file lies", () => {
    const other = [
      "stages.tuned.with.teacher.url=http://elsewhere",
      "stages.tuned.retry.infra=1",
      "stages.tuned.timeout=1h",
    ];
    expect(planPipeline(load(...other), ran(5)).verdict).toBe("nothing to do");
  });

  it("blocks what lacks something from outside, and all that waits for it", () => {
    const plan = planPipeline(load(), { ...nothing, missing: new Set(["data://laws.jsonl"]) });
    expect(plan.stages[0]).toMatchObject({ action: "BLOCKED", why: "no data://laws.jsonl" });
    expect(plan.stages[1]).toMatchObject({ action: "BLOCKED", why: "waits for corpus" });
    expect(plan.verdict).toBe("blocked");
    const assumed = planPipeline(
      load(),
      { ...nothing, missing: new Set(["data://laws.jsonl"]) },
      { assumeInputs: true },
    );
    expect(assumed.verdict).toBe("assumed");
    expect(assumed.assumed).toEqual([{ what: "no data://laws.jsonl", stages: ["corpus"] }]);
    expect(planPipeline(load(), nothing, { assumeInputs: true }).verdict).toBe("ready");
  });

  it("needs no source of a stage that is skipped", () => {
    expect(actions({ ...ran(1), missing: new Set(["data://laws.jsonl"]) })).toMatchObject({
      corpus: "SKIP",
      start: "RUN",
    });
  });

  it("says where a resume goes on, and of which run", () => {
    const key = planPipeline(load(), ran(3)).stages[3]!.cacheKey!;
    const stopped = { ...ran(3), checkpoints: new Map([[key, { run: "rstopped", step: 40 }]]) };
    const plan = planPipeline(load(), stopped);
    expect(plan.stages[3]).toMatchObject({ name: "tuned", action: "RESUME", step: 40 });
    expect(plan.stages[3]!.why).toContain("legalone resume rstopped");
    expect(plan.resume).toBe("rstopped");
    expect(planPipeline(load(), stopped, { from: "tuned" })).toMatchObject({ resume: null });
  });

  it("gives a fork a key of its own, by the content of its checkpoint", () => {
    const fork = (sha256: string) => ({ ...ran(3), starts: { tuned: { run: "rold", step: 40, sha256 } } });
    const tuned = (existing: Existing) => planPipeline(load(), existing).stages[3]!;
    expect(tuned(fork("a"))).toMatchObject({ action: "RESUME", step: 40 });
    const keys = [ran(3), fork("a"), fork("b"), fork("a")].map((existing) => tuned(existing).cacheKey);
    expect(new Set(keys).size).toBe(3);
    expect(keys[3]).toBe(keys[1]);
  });

  it("blocks a stage that asks for more than the cluster has", () => {
    const plan = planPipeline(
      load("cluster=two-nodes", "stages.start.resources={nodes: 3, npus: 8}"),
      nothing,
    );
    expect(plan.stages[1]).toMatchObject({ action: "BLOCKED", why: "asks for 3 nodes; two-nodes has 2" });
  });
});

describe("the disk of the workspace", () => {
  const demo = loadPipeline(join(packageRoot, "pipelines/demo.yaml"));
  const existing = { ...nothing, codeHashes: {} };
  const { checkpointBytes } = planPipeline(demo, existing).totals;

  it("has to hold the checkpoints of the stages that run", () => {
    expect(planPipeline(demo, { ...existing, freeBytes: checkpointBytes }).verdict).toBe("ready");
    const full = planPipeline(demo, { ...existing, freeBytes: checkpointBytes / 2 });
    expect(full.missing).toEqual([
      {
        what: expect.stringMatching(
          /^the checkpoints of the run need 0\.135 GB, and the disk of the workspace has 0\.067\d GB left; /,
        ),
        stages: ["base", "midtrain", "sft", "rl"],
      },
    ]);
    expect(full.stages.find(({ name }) => name === "perplexity")).toMatchObject({ why: "waits for base" });
    const assumed = planPipeline(demo, { ...existing, freeBytes: 1 }, { assumeInputs: true });
    expect(assumed.verdict).toBe("assumed");
    // What is left out needs no room.
    expect(planPipeline(demo, { ...existing, freeBytes: 1 }, { until: "corpus" }).verdict).toBe("ready");
  });

  it("is asked for what it has where stages run on this machine, and only there", async () => {
    const here = await gatherExisting(load(), null);
    expect(here.freeBytes).toBeGreaterThan(0);
    const elsewhere = await gatherExisting(
      loadPipeline(join(packageRoot, "pipelines/legalone-8b.yaml")),
      null,
    );
    expect(elsewhere.freeBytes).toBeNull();
  });
});

describe("what exists", () => {
  it("is looked up key by key in the records", async () => {
    const pipeline = load();
    const codeHashes = (await gatherExisting(pipeline, null)).codeHashes;
    const all = ran(2, { codeHashes });
    const asked: string[] = [];
    const found = await gatherExisting(pipeline, {
      checkpoints: async () => new Map(),
      earlierStage: async () => null,
      cachedStage: async (key) => {
        asked.push(key);
        return all.cached.get(key) ?? null;
      },
    });
    expect(found.cached).toEqual(all.cached);
    // corpus, start and score: the keys of those after score are not known.
    expect(asked).toHaveLength(3);
    expect([...found.missing]).toEqual(["data://laws.jsonl", join(root, "words.txt")]);
  });

  it("blocks a stage on several nodes, which no engine places, and prices it when inputs are assumed", () => {
    const gang = load("cluster=two-nodes", "stages.start.resources={nodes: 2, npus: 8}");
    expect(planPipeline(gang, nothing).stages[1]).toMatchObject({
      action: "BLOCKED",
      why: expect.stringContaining("several nodes"),
    });
    const priced = planPipeline(gang, nothing, { assumeInputs: true });
    expect(priced.verdict).toBe("assumed");
    expect(priced.assumed).toContainEqual({
      what: expect.stringContaining("several nodes"),
      stages: ["start"],
    });
  });
});

/** A stage of an earlier run with today's options, code and seed; its inputs as `ran` makes them. */
function asBefore(name: string, change: Partial<EarlierStage> = {}): Record<string, EarlierStage> {
  const { seed, stages } = load();
  const { kind, version, identity, inputs } = stages.find((stage) => stage.name === name)!;
  const bound = inputs.map((input) =>
    input.stage === null
      ? input
      : { kind: input.kind, stage: input.stage, sha256: `${input.stage}-${input.kind}` },
  );
  const rest = { run: "rearlier", codeHash: nothing.codeHashes[name]!, startFrom: null, outputsGone: false };
  return { [name]: { kind, version, identity, seed, inputs: bound, ...rest, ...change } };
}

describe("which input changed", () => {
  const score = (existing: Existing, ...set: string[]) => planPipeline(load(...set), existing).stages[2]!;

  it("names an option with its old and new value", () => {
    const { why, changed } = score({ ...ran(2), earlier: asBefore("score") }, "stages.score.with.length=64");
    expect(changed).toMatchObject([{ what: "option", name: "length", after: 64 }]);
    expect(why).toMatch(/^option length \d+ -> 64 since rearlier$/);
  });

  it("names the seed, the code, and the stage whose output is another", () => {
    const change = { seed: 1, codeHash: "old" };
    expect(score({ ...ran(2), earlier: asBefore("score", change) }).changed.map(({ what }) => what)).toEqual([
      "seed",
      "code",
    ]);
    const inputs = asBefore("score").score!.inputs.map((input) => ({ ...input, sha256: "other" }));
    const { why } = score({ ...ran(2), earlier: asBefore("score", { inputs }) });
    expect(why).toMatch(/of (corpus|start) changed/);
  });

  it("says when nothing changed and the outputs were removed", () => {
    expect(score({ ...ran(2), earlier: asBefore("score", { outputsGone: true }) }).why).toBe(
      "its outputs were removed since rearlier",
    );
  });
});

describe("from", () => {
  it("runs the stage and what depends on it, cached or not, and skips the others", () => {
    const plan = planPipeline(load(), ran(5), { from: "score" });
    expect(Object.fromEntries(plan.stages.map(({ name, action }) => [name, action]))).toEqual({
      corpus: "SKIP",
      start: "SKIP",
      score: "RUN",
      tuned: "RUN",
      measure: "RUN",
    });
    expect(plan.stages[2]!.why).toBe("afresh: --from score");
  });

  it("is blocked by a stage before it without outputs, and says what changed", () => {
    const existing = { ...ran(1), earlier: asBefore("start", { seed: 1 }) };
    const plan = planPipeline(load(), existing, { from: "score", until: "score" });
    expect(plan.verdict).toBe("blocked");
    expect(plan.stages.map(({ name, action }) => `${name} ${action}`)).toEqual([
      "corpus SKIP",
      "start BLOCKED",
      "score BLOCKED",
    ]);
    expect(plan.stages[1]!.why).toContain("--from score needs its outputs, and there are none: seed 1 -> ");
  });

  it("refuses a stage that --until leaves out, and one that is none", () => {
    expect(() => planPipeline(load(), nothing, { from: "score", until: "corpus" })).toThrow(
      /does not need score/,
    );
    expect(() => planPipeline(load(), nothing, { from: "nowhere" })).toThrow(
      /"nowhere" is no stage of this pipeline/,
    );
  });
});
