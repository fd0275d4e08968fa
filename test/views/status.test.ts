import { describe, expect, test } from "vitest";
import { runList, runStatus } from "../../src/views/status.ts";
import { runListLines, runStatusLines } from "../../src/views/status-json.ts";
import { displayWidth } from "../../src/views/table.ts";
import { demoRun } from "./demo-rows.ts";
import {
  at,
  attemptRow,
  doneStage,
  gateRow,
  plainLook,
  runDetail,
  runId,
  shardRow,
  stageRow,
} from "./rows.ts";

/** base done, midtrain training at step 120 of 360, the rest waiting. */
function runningRun() {
  const midtrain = stageRow("midtrain", { state: "RUNNING", startedAt: at(150) });
  const attempt = attemptRow(midtrain.id, {
    phase: "training",
    step: 120,
    of: 360,
    unit: "step",
    stepMs: 125,
  });
  return {
    attempt,
    detail: runDetail([
      doneStage("base", 0, 100, { heldout_loss_before: 8.4, heldout_loss_after: 6 }),
      { ...midtrain, shards: [shardRow(midtrain.id, { attempt })] },
      stageRow("sft"),
    ]),
  };
}

describe("status of one run", () => {
  test("a training stage tells its step, rate, time left and live numbers", () => {
    const { detail, attempt } = runningRun();
    const metrics = new Map([
      [
        attempt.id,
        new Map([
          ["loss", 5.3121],
          ["tokens_per_second", 8123],
        ]),
      ],
    ]);
    expect(runStatus(detail, plainLook, { metrics, doing: new Map() }).split("\n")).toEqual([
      `run ${runId}  demo  running  3m 20s  pipelines/demo.yaml`,
      "",
      "  ✓ base      done      1m 40s  held-out loss 8.400 → 6",
      "  ● midtrain  training     50s  120/360 steps · 8 steps/s · 30s left · loss 5.312 · 8123 tokens/s",
      "  ○ sft       waiting",
    ]);
  });

  test("what a phase does is told in the worker's words, with how far it is", () => {
    const { detail, attempt } = runningRun();
    Object.assign(attempt, { phase: "loading", step: 600, of: 1800, unit: "documents", stepMs: 10 });
    const doing = new Map([[attempt.id, "measuring held-out loss before training"]]);
    const live = { metrics: new Map(), doing };
    expect(runStatus(detail, plainLook, live)).toContain(
      "● midtrain  loading     50s  measuring held-out loss before training · 600/1800 documents · 100 documents/s · 12s left",
    );
    const [, line] = runStatusLines(detail, at(200), live).split("\n");
    expect(JSON.parse(line!)).toMatchObject({
      stage: "midtrain",
      phase: "loading",
      doing: doing.get(attempt.id),
    });
  });

  test("a second attempt is told", () => {
    const { detail, attempt } = runningRun();
    detail.stages[1]!.shards = [shardRow(detail.stages[1]!.id, { attempt, epoch: 2 })];
    expect(runStatus(detail, plainLook)).toContain("attempt 2");
  });

  test("steps that take longer than a second are told by the step", () => {
    const { detail, attempt } = runningRun();
    attempt.stepMs = 12_000;
    expect(runStatus(detail, plainLook)).toContain("12s a step · 48m 00s left");
  });

  test("a failed stage says why, and the run after its stages", () => {
    const failed = stageRow("sft", {
      state: "FAILED",
      reason: "out_of_memory",
      message: "needs 7 GB, has 6 GB",
      startedAt: at(0),
      endedAt: at(5),
    });
    const after = stageRow("rl", { state: "CANCELLED", reason: "upstream_failed", endedAt: at(5) });
    const text = runStatus(runDetail([failed, after]), plainLook);
    expect(text).toContain("✗ sft  failed");
    expect(text.split("\n").at(-1)).toBe("sft: out of memory: needs 7 GB, has 6 GB");
  });

  test("gates show what was measured against what", () => {
    const stage = doneStage("midtrain", 0, 9, { legal_ppl: 380 });
    const text = runStatus(
      runDetail([{ ...stage, gates: [gateRow(stage.id, { value: 380, passed: false })] }]),
      plainLook,
    );
    expect(text).toContain("✗ gate midtrain  legal ppl below base legal ppl  380  < 365.2  does not hold");
    expect(text).toContain("✗ midtrain  gate failed");
  });

  test("a stage taken from an earlier run names that run and shows the time it took there", () => {
    const stage = stageRow("corpus", {
      state: "SKIPPED",
      cachedRun: "rabc234def",
      cachedMs: 65_000,
      startedAt: at(0),
      endedAt: at(0),
      result: { metrics: { documents: 12 }, summary: {} },
    });
    expect(runStatus(runDetail([stage]), plainLook)).toContain(
      "↺ corpus  cached  1m 05s  from rabc234def · 12 documents",
    );
  });

  test("shards are told together", () => {
    const stage = stageRow("perplexity", { state: "RUNNING", startedAt: at(0) });
    const shards = [0, 1, 2].map((index) => {
      const given = { shardId: `${stage.id}-s${index}`, step: 10 * index, of: 40, unit: "document" };
      return shardRow(stage.id, {
        index,
        state: index === 0 ? "SUCCEEDED" : "RUNNING",
        attempt: attemptRow(stage.id, given),
      });
    });
    expect(runStatus(runDetail([{ ...stage, shards }]), plainLook)).toContain(
      "30/120 documents · shards 1/3",
    );
  });

  test("no line is wider than the terminal", () => {
    const { detail } = runningRun();
    const lines = runStatus(detail, { ...plainLook, width: 60 })
      .split("\n")
      .slice(2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  });
});

describe("list of runs", () => {
  test("a line a run, with where it is", () => {
    const { detail } = runningRun();
    const [heading, line] = runList([detail], plainLook).split("\n");
    expect(heading?.split(/\s+/)).toEqual(["RUN", "PIPELINE", "STATE", "STAGES", "STARTED", "TIME", "AT"]);
    expect(line).toMatch(new RegExp(`^${runId}  demo +running +1/3 .* 3m 20s  midtrain$`));
  });

  test("what differs between the runs of a pipeline, and nothing of a run alone", () => {
    const given = (id: string, pipeline: string, seed: number, steps: number, more = {}) => {
      const { detail } = runningRun();
      const sft = { name: "sft", position: 0, identity: { steps }, with: { steps, data: [1, 2] }, shards: 1 };
      const config = {
        name: pipeline,
        file: `/${id}.yaml`,
        seed,
        model: { name: "tiny", depth: steps },
        stages: [sft],
      };
      return { ...detail, run: { ...detail.run, id, pipeline, config, ...more } };
    };
    const runs = [
      given("r1", "a", 1, 50, { name: "long", tags: ["ablation", "消融"], until: "sft" }),
      given("r2", "a", 2, 10),
      given("r3", "b", 3, 50),
    ];
    const lines = runList(runs, { ...plainLook, width: 200 }).split("\n");
    expect(lines[0]).toMatch(/^RUN {2}NAME {2}PIPELINE .* TAGS +AT +DIFFERS$/);
    expect(lines[1]).toMatch(
      /^r1 +long +a .* ablation, 消融 +midtrain {2}seed=1 model.depth=50 until=sft sft.steps=50$/,
    );
    expect(lines[2]).toMatch(/midtrain {2}seed=2 model.depth=10 no until sft.steps=10$/);
    expect(lines[3]).toMatch(/ midtrain$/);
    const [first, , third] = runListLines(runs)
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({
      name: "long",
      tags: ["ablation", "消融"],
      differs: { seed: 1, "sft.steps": 50, until: "sft" },
    });
    expect(third.differs).toEqual({});
    for (const width of [60, 80, 120])
      for (const line of runList(runs, { ...plainLook, width }).split("\n"))
        expect(displayWidth(line)).toBeLessThanOrEqual(width);
    expect(runList(runs, { ...plainLook, width: 60 }).replaceAll(/\s+/g, " ")).toContain(
      "until=sft sft.steps=50",
    );
  });

  test("another model is told by its name, many options by the first of them", () => {
    const given = (model: object, many: number) => {
      const { detail } = runningRun();
      const options = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`o${i}`, many]));
      return {
        ...detail,
        run: { ...detail.run, id: `r${many}`, config: { model, stages: [{ name: "x", with: options }] } },
      };
    };
    const runs = [given({ name: "tiny", depth: 1 }, 1), given({ name: "large", depth: 9 }, 2)];
    expect(runList(runs, { ...plainLook, width: 400 })).toMatch(/model=tiny x.o0=1 .* x.o6=1 and 23 more$/m);
  });

  test("a configuration that is none does not keep the list from being shown", () => {
    const { detail } = runningRun();
    const broken = { ...detail, run: { ...detail.run, id: "rb", config: [null] } };
    const odd = {
      ...detail,
      run: { ...detail.run, id: "ro", config: { stages: [null, { with: 3 }], seed: null } },
    };
    expect(runList([detail, broken, odd] as never, plainLook)).toContain("rb");
  });

  test("without runs the first command is named", () => {
    expect(runList([], plainLook)).toContain("legalone train pipelines/demo.yaml");
  });
});

describe("status as JSON Lines", () => {
  test("a line a stage and gate, last the whole verdict", () => {
    const lines = runStatusLines(demoRun(), at(500))
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => line.type)).toEqual([...stageAndGateTypes(), "verdict"]);
    const verdict = lines.at(-1);
    expect(verdict).toMatchObject({
      run: runId,
      state: "succeeded",
      exitCode: 0,
      ended: true,
      gates: { passed: 4, failed: 0 },
    });
    expect(verdict.stages.midtrain).toBe("SUCCEEDED");
    expect(verdict.model).toMatch(/^file:\/\/\/.+\/artifacts\//);
    expect(lines.find((line) => line.stage === "midtrain").metrics.legal_ppl).toBe(244.1);
  });

  test("numbers of a running stage have units in their names", () => {
    const line = JSON.parse(runStatusLines(runningRun().detail, at(200)).split("\n")[1]!);
    expect(line).toMatchObject({
      stage: "midtrain",
      phase: "training",
      elapsedSeconds: 50,
      stepsPerSecond: 8,
      etaSeconds: 30,
      progress: { step: 120, of: 360, unit: "steps" },
    });
  });

  test("the list ends with a count", () => {
    const lines = runListLines([demoRun()])
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { type: "run", run: runId, exitCode: 0 },
      { type: "verdict", runs: 1 },
    ]);
  });
});

function stageAndGateTypes(): string[] {
  return demoRun().stages.flatMap((stage) => ["stage", ...stage.gates.map(() => "gate")]);
}

describe("the queue", () => {
  const waiting = {
    stageId: `${runId}-sft-g1`,
    runId,
    stage: "sft",
    priority: 0,
    place: 2,
    of: 5,
    waiting: 3,
    ahead: 7,
  };

  test("names what waits for a free place, in the list and of one run", () => {
    const { detail } = runningRun();
    expect(runList([detail], plainLook, [waiting])).toContain(
      "midtrain; sft waits for a free place with 3 shards, 2 of 5",
    );
    expect(runStatus(detail, plainLook, undefined, [waiting])).toContain(
      "sft waits for a free place with 3 shards",
    );
    expect(runList([detail], plainLook, [{ ...waiting, runId: "rother" }])).not.toContain("waits");
  });

  test("stands in JSON at its stage", () => {
    const { detail } = runningRun();
    const lines = runStatusLines(detail, plainLook.now, undefined, [waiting]).split("\n");
    const sft = lines.map((line) => JSON.parse(line)).find(({ stage }) => stage === "sft");
    expect(sft.queue).toMatchObject({ place: 2, ahead: 7 });
    expect(JSON.parse(runListLines([detail], [waiting]).split("\n")[0]!).queue).toHaveLength(1);
  });
});
