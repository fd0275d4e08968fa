import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { forkAmendment } from "../../src/cli/fork-amendment.ts";
import { loadPipeline } from "../../src/config/load.ts";
import { packageRoot } from "../../src/core/paths.ts";

/** The mid-training of the demo under `--set` arguments below its `with`. */
function midtrain(...set: string[]) {
  const pipeline = loadPipeline(join(packageRoot, "pipelines/demo.yaml"), {
    set: set.map((text) => `stages.midtrain.with.${text}`),
    root: packageRoot,
  });
  return pipeline.stages.find(({ name }) => name === "midtrain")!;
}

/** The PAS options of the fork from step 200: the amendment is taken as the command line takes it. */
function forked(before: string[], now: string[], step = 200) {
  const amendment = forkAmendment(midtrain(...before), midtrain(...now), step);
  if (amendment === null) return null;
  const { pas } = midtrain(...now, amendment.set.slice("stages.midtrain.with.".length)).with;
  return { pas, told: amendment.told };
}

describe("a fork", () => {
  it("that changes nothing of the order amends nothing", () => {
    expect(forked([], [])).toBeNull();
    expect(forked([], ["optimizer.clip=2"])).toBeNull();
    expect(forked([], ["pas.lambda=8"], 0)).toBeNull();
  });

  it("that changes lambda and weights does so from its step on", () => {
    expect(forked([], ["pas.lambda=8", "pas.weights={general: 0.3, legal: 0.7}"])).toMatchObject({
      pas: {
        lambda: 5,
        weights: {},
        amendments: [{ step: 200, lambda: 8, weights: { general: 0.3, legal: 0.7 } }],
      },
      told: ["pas.lambda 5 -> 8", "pas.weights.general nothing -> 0.3", "pas.weights.legal nothing -> 0.7"],
    });
  });

  it("keeps the amendments of a fork before it, and what is planned for later", () => {
    const old = ["pas.amendments=[{step: 100, lambda: 0}, {step: 300, hold: group}]"];
    expect(forked(old, [...old, "pas.weights={general: 0}"])!.pas).toMatchObject({
      lambda: 5,
      amendments: [
        { step: 100, lambda: 0 },
        { step: 200, weights: { general: 0 } },
        { step: 300, hold: "group" },
      ],
    });
  });

  it("that changes the schedule begins the counts again at its step", () => {
    expect(forked([], ["schedule.decay=100"])).toMatchObject({
      pas: { lambda: 5, amendments: [{ step: 200 }] },
      told: [expect.stringMatching(/^schedule .* -> /)],
    });
  });

  it("cannot rewrite what came before its step", () => {
    const now = ["pas.amendments=[{step: 100, lambda: 0}]"];
    expect(() => forked([], now)).toThrow(/amendments before step 200 are those of the old run/);
    // Planned for later it is the file's own, and needs nothing at the fork's step.
    expect(forked([], now, 50)).toBeNull();
  });
});
