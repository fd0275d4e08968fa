import { describe, expect, it } from "vitest";
import { runCli } from "./run-cli.ts";

const sizes = ["1.7b", "4b", "8b"];

describe("validate", () => {
  it.each(["demo", ...sizes.map((size) => `legalone-${size}`)])("accepts pipelines/%s.yaml", (name) => {
    const { code, json } = runCli(["validate", `pipelines/${name}.yaml`, "--json"]);
    expect(json()).toMatchObject({ ok: true, pipeline: name, errors: [] });
    expect(code).toBe(0);
  });

  it("shows every error with its place, and ends with 2", () => {
    const { code, stderr } = runCli(["validate", "test/cli/fixtures/wrong.yaml"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /wrong\.yaml:5:5 stages\.midtrain\.need: unknown key `need`; expected one of .*\n\s+did you mean `needs`\?/,
    );
    expect(stderr).toMatch(/wrong\.yaml:6:19 stages\.midtrain\.with\.pas\.lamda: unknown key `lamda`/);
    const { json } = runCli(["validate", "test/cli/fixtures/wrong.yaml", "--json"]);
    expect(json()).toMatchObject({
      ok: false,
      errors: expect.arrayContaining([
        expect.objectContaining({ line: 5, column: 5, hint: "did you mean `needs`?" }),
      ]),
    });
  });
});

describe("plan", () => {
  it("lists what is missing as BLOCKED and ends with 3", () => {
    const { code, stdout } = runCli(["plan", "pipelines/legalone-8b.yaml"]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/perplexity +perplexity +BLOCKED .*no model at .*Qwen3-8B-Base/);
    expect(stdout).toMatch(
      /LEGALONE_TEACHER_URL is not set \(synthetic, lead-prompts, lead-synthesize, lead-refine\)/,
    );
    // Once, and not for each of the many files below it.
    expect(stdout).toMatch(/LEGALONE_CORPUS is not set \(corpus, lead-prompts/);
    expect(stdout).not.toMatch(/no \$\{LEGALONE_CORPUS/);
  });

  it.each(sizes)("prices legalone-%s with --assume-inputs", (size) => {
    const { code, json } = runCli(["plan", `pipelines/legalone-${size}.yaml`, "--assume-inputs", "--json"]);
    expect(code).toBe(0);
    const plan = json() as {
      verdict: string;
      totals: { leftOut: object };
      stages: { name: string; action: string; cost: Record<string, number> }[];
    };
    expect(plan.verdict).toBe("assumed");
    expect(plan.totals.leftOut).toEqual({
      stages: ["perplexity", "sft", "lexeval", "jecqa"],
      servers: ["LEGALONE_JUDGE_URL", "LEGALONE_ROLLOUT_URL", "LEGALONE_TEACHER_URL"],
    });
    expect(new Set(plan.stages.map(({ action }) => action))).toEqual(new Set(["RUN"]));
    const { cost } = plan.stages.find(({ name }) => name === "midtrain")!;
    expect(cost.steps).toBe(23_842);
    expect(cost.tokens).toBeGreaterThanOrEqual(100e9);
    expect(cost.npuHours).toBeGreaterThan(1000);
  });

  it("never says Ready for what train refuses, and says first what cannot run here", () => {
    const priced = runCli(["plan", "pipelines/legalone-8b.yaml", "--assume-inputs"]);
    const [first] = priced.stdout.split("\n");
    expect(first).toMatch(/^legalone-8b on .*; cannot run here: midtrain, sft, rl ask for several nodes; /);
    expect(first).toMatch(
      /perplexity, midtrain, .* need NPUs, of which this machine has none; \d+ inputs are not there; /,
    );
    expect(first).toMatch(/LEGALONE_TEACHER_URL, .*not set$/);
    expect(priced.stdout).not.toContain("Ready");
    expect(priced.stdout).toContain("Priced, not ready. legalone train refuses it for what was assumed:");
    expect(priced.stdout).toMatch(/several nodes; .* \(midtrain, sft, rl\)/);
    expect(priced.stdout).toContain(
      "Not counted: NPU-hours of perplexity, sft, lexeval, jecqa (unknown before they run); the servers of",
    );
    const refused = runCli(["train", "pipelines/legalone-8b.yaml"]);
    expect(refused.code).toBe(3);
    const demo = runCli(["plan", "pipelines/demo.yaml"]);
    expect(demo.stdout.split("\n")[0]).toMatch(/parameters$/);
    expect(demo.stdout).toContain("Ready: legalone train pipelines/demo.yaml");
  });

  it("takes an address from the environment as there", () => {
    const environment = { LEGALONE_TEACHER_URL: "http://teacher/v1", LEGALONE_JUDGE_URL: "http://judge/v1" };
    const { json } = runCli(["plan", "pipelines/legalone-8b.yaml", "--json"], environment);
    const { missing } = json() as { missing: { what: string }[] };
    expect(missing.map(({ what }) => what).filter((what) => what.includes("is not set"))).toEqual([
      "LEGALONE_CORPUS is not set",
      "LEGALONE_ROLLOUT_URL is not set",
    ]);
  });

  it("says that it could not read the records", () => {
    const { json } = runCli(["plan", "pipelines/demo.yaml", "--json"]);
    expect(json()).toMatchObject({ records: false, pipeline: "demo" });
  });
});
