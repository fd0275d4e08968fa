import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadPipeline } from "../../src/config/load.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { planPipeline } from "../../src/plan/plan.ts";
import { planOrder } from "../../src/recipe/order.ts";
import { segmentsOf } from "../../src/recipe/segments.ts";
import type { Column } from "../../src/views/columns.ts";
import { diffView } from "../../src/views/diff.ts";
import type { Look } from "../../src/views/look.ts";
import { metricTable } from "../../src/views/metrics.ts";
import { pasView } from "../../src/views/pas.ts";
import { pasAuditView } from "../../src/views/pas-audit.ts";
import { pasStepView } from "../../src/views/pas-step.ts";
import { planView } from "../../src/views/plan.ts";
import { progressFrame } from "../../src/views/progress.ts";
import { diffRuns } from "../../src/views/run-diff.ts";
import { runList, runStatus } from "../../src/views/status.ts";
import { summary } from "../../src/views/summary.ts";
import { displayWidth, table } from "../../src/views/table.ts";
import { nothingBefore } from "../support/existing.ts";
import { curve, demoRun } from "./demo-rows.ts";
import { at, attemptRow, plainLook, runDetail, runId, shardRow, stageRow } from "./rows.ts";

const widths = [60, 80, 200];

/** The demo with Chinese names, a stage that trains, one that failed, and a place in the queue. */
function busyRun() {
  const rl = stageRow("强化学习", { state: "RUNNING", startedAt: at(9) });
  const attempt = attemptRow(rl.id, { phase: "training", step: 1200, of: 36_000, unit: "step", stepMs: 125 });
  const failed = stageRow("评测", {
    state: "FAILED",
    reason: "out_of_memory",
    message: "模型需要七吉字节的内存，而这台机器只剩六吉字节；请减小批次，或者换一台机器再试一次",
    startedAt: at(0),
    endedAt: at(5),
  });
  const demo = demoRun();
  const stages = [...demo.stages, { ...rl, shards: [shardRow(rl.id, { attempt, epoch: 3 })] }, failed];
  const detail = runDetail(stages);
  return {
    attempt,
    detail: { ...detail, run: { ...detail.run, pipeline: "中国法律推理模型-中期训练-全部阶段" } },
  };
}

const live = ({ attempt }: ReturnType<typeof busyRun>) => ({
  metrics: new Map([[attempt.id, new Map(Object.entries({ loss: 5.3121, tokens_per_second: 8123 }))]]),
  doing: new Map([[attempt.id, "用八道题目检查模型的回答"]]),
});

const placed = { runId, stageId: `${runId}-sft-g1`, stage: "sft", place: 2, of: 5, waiting: 3 };

function plan(file: string) {
  const pipeline = loadPipeline(join(packageRoot, "pipelines", file), { set: [] });
  const planned = planPipeline(pipeline, nothingBefore(pipeline));
  const step = planned.stages[3]!;
  const why =
    "with other options than in run rk2m9x4t7a: sft.steps 50 -> 200, sft.batch 8 -> 16, and after midtrain";
  return {
    ...planned,
    stages: [...planned.stages, { ...step, action: "RESUME" as const, step: 12_345, why }],
  };
}

const spec = {
  seed: 1,
  steps: 60,
  batch: 16,
  schedule: { warmup: 6, decay: 20, max: 2e-3, min: 2e-4, shape: "linear" as const },
  lambda: 4,
  hold: "none" as const,
  cells: ["法律", "legal", "general"].flatMap((group) =>
    ["low", "high"].map((band) => ({ group, band, weight: 0.25, sequences: 12_345 })),
  ),
};

function preview() {
  const { steps, passes, orderSha256 } = planOrder(spec as never);
  const segments = segmentsOf(spec as never).map(({ from, to, lambda, hold, cells }) => {
    return { from, to, lambda, hold, weights: cells.map(({ weight }) => weight) };
  });
  const shared = {
    cells: spec.cells,
    steps,
    passes,
    orderSha256,
    batch: 16,
    from: "the packed data of run x",
  };
  return { ...shared, segments: [...segments, ...segments], assumed: true, warnings: [] };
}

const explained = {
  step: 12,
  lr: 2e-3,
  alpha: 1,
  segment: { from: 0, to: 60 },
  lambda: 4,
  hold: "none" as const,
  batch: 16,
  from: "the packed data",
  assumed: false,
  cells: spec.cells.map(({ group, band, weight }) => ({
    ...{ group, band, weight, anchor: 0.123, p: 0.25, count: 4, deficit: 0.123, target: 48.123, taken: 48 },
    indices: [101, 202, 303, 404],
    rows: [1001, 2002, 3003, 4004],
    documents: null,
  })),
};

const audited = {
  run: runId,
  stage: "midtrain",
  order: { orderSha256: "ab".repeat(32), steps: 360, batch: 8, from: "as the stage wrote it" },
  equal: true,
  parts: null,
  proven: 360,
  began: 0,
  cells: spec.cells.map((cell) => ({ ...cell, planned: 4321, consumed: 4321 })),
  segments: [],
  forks: [],
  attempts: [1, 2].map((epoch) => ({
    attempt: `${runId}-midtrain-g1-s0-e${epoch}`,
    state: "SUCCEEDED",
    from: 200,
    steps: Array.from({ length: 40 }, (_, i) => 200 + 5 * i),
    equal: true,
  })),
  notes: [],
};

function compared(lambda: number) {
  const detail = demoRun();
  const stages = detail.stages.map((row) => ({
    row: { ...row, spec: { with: { pas: { amendments: [{ step: 200, lambda }], cells: "x".repeat(50) } } } },
    inputs: { corpus: `${lambda}`.repeat(64).slice(0, 64) },
    consumed: {},
  }));
  return { detail: { ...detail, run: { ...detail.run, id: `r${lambda}m9x4t7ab` } }, stages } as never;
}

const views: [string, (look: Look) => string | Promise<string>][] = [
  ["list of runs", (look) => runList([busyRun().detail, demoRun()], look, [placed as never])],
  ["status", (look) => runStatus(busyRun().detail, look, live(busyRun()), [placed as never])],
  ["watch", (look) => progressFrame(busyRun().detail, look, live(busyRun()), ["w".repeat(300)])],
  ["summary", (look) => summary(busyRun().detail, look)],
  ["summary of a run that ended well", (look) => summary(demoRun(), look)],
  ["plan of the demo", (look) => planView(plan("demo.yaml"), look, 0)],
  ["plan of 8B", (look) => planView(plan("legalone-8b.yaml"), look, 0)],
  [
    "metrics",
    (look) =>
      metricTable(
        [{ stage: "lead-synthesize", series: [curve("heldout_recitation_reward", 700, 7.4, 6)] }],
        look,
      ),
  ],
  ["diff", (look) => diffView(diffRuns(compared(8), compared(9)), compared(8), compared(9), look)],
  ["pas preview", (look) => pasView(preview(), look)],
  ["pas explain", (look) => pasStepView(explained, look)],
  ["pas audit", (look) => pasAuditView(audited, look)],
];

/** The words of a text without what lays it out. */
const wordsOf = (text: string) =>
  text
    .replaceAll(/ \\\n/g, " ")
    .split(/\s+/)
    .filter((word) => word !== "");

describe.each(views)("%s", (_, view) => {
  test.each(widths)("fits into %d columns", async (width) => {
    // A path or hash stays whole: cut or broken it could not be copied.
    for (const line of (await view({ ...plainLook, width })).split("\n"))
      if (!/^ *(\/\S+|[0-9a-f]{64})$/.test(line))
        expect([displayWidth(line) <= width, line]).toEqual([true, line]);
  });

  test("uses a wide terminal, and into a file nothing is cut", async () => {
    const wide = await view({ ...plainLook, width: Number.POSITIVE_INFINITY });
    expect(Math.max(...wide.split("\n").map(displayWidth))).toBeLessThan(1100);
    for (const cell of wordsOf(await view({ ...plainLook, width: 1000 })))
      if (!/^[ ┤┼╭╮╯╰─│━]+$/.test(cell)) expect([cell, wide.includes(cell)]).toEqual([cell, true]);
  });
});

describe("what matters stays at 60 columns", () => {
  const narrow = { ...plainLook, width: 60 };
  const flat = (text: string) => text.replaceAll(/\s+/g, " ");

  test("of a plan: steps, NPUs and every word of the reason", () => {
    const planned = plan("legalone-8b.yaml");
    const text = flat(planView(planned, narrow, 0));
    for (const { name, why, cost } of planned.stages) {
      expect(text).toContain(name);
      expect(text).toContain(why);
      if (cost.steps !== null) expect(text).toContain(` ${cost.steps} `);
    }
  });

  test("of a run: its stages, the reason of an end whatever its language, and progress", () => {
    const text = runStatus(busyRun().detail, narrow, live(busyRun()), []);
    for (const { name } of busyRun().detail.stages) expect(text).toContain(name);
    expect(text.replaceAll(/\s/g, "")).toContain("请减小批次，或者换一台机器再试一次");
    expect(flat(text)).toContain("1200/36.0k steps · 8 steps/s · 1h 12m left · loss 5.312 · 8123 tokens/s");
  });

  test("of the list: ids, states and what waits", () => {
    const text = flat(runList([busyRun().detail], narrow, [placed as never]));
    expect(text).toContain(runId);
    expect(text).toContain("sft waits for a free place with 3 shards, 2 of 5");
  });

  test("of a step of the order: every number, in tables side by side turned into tables one under the other", () => {
    const wide = pasStepView(explained, { ...plainLook, width: 200 });
    const text = pasStepView(explained, narrow);
    for (const word of wordsOf(wide)) expect(wordsOf(text)).toContain(word);
  });

  test("a command can still be copied", () => {
    const detail = busyRun().detail;
    const text = summary(
      { ...detail, run: { ...detail.run, file: `configs/${"long/".repeat(6)}demo.yaml` } },
      narrow,
    );
    expect(text.replaceAll(/ \\\n\s*/g, " ")).toContain(`legalone resume ${runId}`);
  });
});

test("no table is wider than the terminal, whatever its cells, and a column that keeps whole cells is not cut while there is room", () => {
  const column = fc.record(
    {
      title: fc.constantFrom("", "RUN", "STATE", "DIFFERS"),
      gives: fc.constantFrom(undefined, "wrap", "below", "cut"),
      drop: fc.constantFrom(undefined, "early", "late"),
      align: fc.constantFrom("left", "right"),
    },
    { requiredKeys: ["title"] },
  ) as fc.Arbitrary<Column>;
  const cell = fc.string({ unit: fc.constantFrom("a", "7", "法", " ", "/", "😀"), maxLength: 90 });
  fc.assert(
    fc.property(
      fc.array(column, { minLength: 1, maxLength: 9 }),
      fc.array(fc.array(cell, { maxLength: 9 }), { maxLength: 5 }),
      fc.integer({ min: 20, max: 220 }),
      fc.integer({ min: 0, max: 2 }),
      (columns, rows, width, by) => {
        for (const line of table(columns, rows, { ...plainLook, width }, by).split("\n"))
          expect(displayWidth(line)).toBeLessThanOrEqual(width);
      },
    ),
    { numRuns: 400 },
  );
});
