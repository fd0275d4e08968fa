import { describe, expect, test } from "vitest";
import type { Fields, ReportData } from "../../src/views/report/data.ts";
import { emptyStage } from "../../src/views/report/empty-stage.ts";
import type { Markup } from "../../src/views/report/html.ts";
import { html } from "../../src/views/report/html.ts";
import type { Plot } from "../../src/views/report/plot.ts";
import type { SectionView } from "../../src/views/report/section.ts";
import { corpusSection } from "../../src/views/report/sections/corpus.ts";
import { evaluationSection } from "../../src/views/report/sections/evaluation.ts";
import { leadSection } from "../../src/views/report/sections/lead.ts";
import { pasSection } from "../../src/views/report/sections/pas.ts";
import { perplexitySection } from "../../src/views/report/sections/perplexity.ts";
import { rlSection } from "../../src/views/report/sections/rl.ts";
import { sampleSection } from "../../src/views/report/sections/samples.ts";
import { curve } from "./demo-rows.ts";
import { at, doneStage, runDetail } from "./rows.ts";

interface Given {
  metrics?: Record<string, number>;
  summary?: Fields;
  files?: Record<string, Fields>;
  series?: ReportData["stages"][number]["series"];
}

/** A section over one stage: its text without markup, its cells row by row, and its plots. */
function show(view: SectionView, kind: string, given: Given) {
  const row = doneStage(kind, 0, 10, given.metrics ?? {});
  const detail = runDetail([row]);
  const stage = {
    ...emptyStage(row),
    summary: given.summary ?? {},
    files: given.files ?? {},
    series: given.series ?? [],
  };
  const plots: Plot[] = [];
  const section = view({ detail, stages: [stage], nodes: [], now: at(20) }, (plot): Markup => {
    plots.push(plot);
    return html`<figure></figure>`;
  });
  const body = section?.body.text ?? "";
  const rows = [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map((match) =>
    [...match[1]!.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map((cell) => cell[1]!.replace(/<[^>]+>/g, "").trim()),
  );
  return {
    section,
    text: body.replace(/<[^>]+>/g, " "),
    rows: rows.filter((cells) => cells.length > 0),
    plots,
  };
}

describe("a section is left out without its data", () => {
  test.each([
    ["corpus", corpusSection],
    ["perplexity", perplexitySection],
    ["midtrain", pasSection],
    ["lead-judge", leadSection],
    ["synthetic", leadSection],
    ["rl", rlSection],
    ["eval", evaluationSection],
    ["sft", sampleSection],
  ] as const)("%s", (kind, view) => {
    expect(show(view, kind, {}).section).toBeNull();
    expect(
      show(view, kind, { summary: { dropped: "?", levels: 3, answers: [7], models: {}, tasks: null } })
        .section,
    ).toBeNull();
  });
});

test("corpus: what was dropped and why, without what a source never selected", () => {
  const source = {
    name: "statutes",
    group: "legal",
    license: "MIT",
    rows: 26_196,
    kept: { train: { documents: 5000 }, base: { documents: 1447 } },
    dropped: { not_in_force: 927, near_duplicate: 138, not_selected: 18_682 },
    broken: { rows: 2 },
    samples: { not_in_force: [{ id: "a", title: "婚姻法", excerpt: "已废止", detail: "repealed" }] },
  };
  const { rows, text } = show(corpusSection, "corpus", {
    files: {
      "corpus/report.json": {
        splits: { train: { legal: { documents: 5497, characters: 909_711 } } },
        sources: [source],
        decontamination: {
          questions: 2024,
          too_short: 14,
          found: { "jecqa 1_test": { questions: 180, documents: 235 } },
        },
      },
    },
  });
  expect(rows).toContainEqual(["train", "legal", "5497", "910k"]);
  expect(rows).toContainEqual(["jecqa 1_test", "180", "235"]);
  expect(text).toContain("2024 were looked for; 14 are too short for it.");
  expect(rows).toContainEqual(["not in force", "927", "87.0%"]);
  const fate = ["26196", "18682", "2", "1065", "6447"];
  expect(rows).toContainEqual(["statutes", "legal", ...fate, "not in force 927, near duplicate 138", "MIT"]);
  expect(text).toContain("婚姻法");
  expect(rows.map(([first]) => first)).not.toContain("not selected");
  const [all, ...parts] = fate.map(Number);
  expect(parts.reduce((sum, part) => sum + part)).toBe(all);
});

test("corpus: rows that no count holds are said to be told nowhere", () => {
  const source = { name: "s", rows: 10, kept: { train: { documents: 6 } }, dropped: { too_short: 1 } };
  const { rows } = show(corpusSection, "corpus", { files: { "corpus/report.json": { sources: [source] } } });
  expect(rows).toContainEqual([
    "s",
    "",
    "10",
    "0",
    "0",
    "1 (3 more are told nowhere)",
    "6",
    "too short 1",
    "",
  ]);
});

test("perplexity: thresholds, cells and a histogram over a logarithmic axis", () => {
  const cells = {
    thresholds: { legal: { low: 207.1, middle: 365.9, high: null } },
    cells: [{ group: "legal", band: "low", documents: 1000, sequences: 578, tokens: 74_562 }],
  };
  const histogram = { edges: [100, 200, 400, 800], groups: [{ group: "legal", counts: [3, 9, 0] }] };
  const { rows, plots } = show(perplexitySection, "perplexity", {
    files: { "packed/cells.json": cells, "packed/histogram.json": histogram },
  });
  expect(rows).toContainEqual(["legal", "207.1", "365.9", "none dropped"]);
  expect(rows).toContainEqual(["legal", "low", "1000", "578", "74.6k"]);
  expect(plots).toHaveLength(1);
  expect(plots[0]).toMatchObject({
    title: "Documents of legal by perplexity",
    x: { scale: "log", values: [141.4, 282.8] },
    curves: [{ label: "legal", values: [3, 9], style: "bars" }],
    marks: [
      { x: 207.1, label: "low up to 207.1" },
      { x: 365.9, label: "middle up to 365.9" },
    ],
  });
});

test("perplexity: what was predicted, and how well it agrees", () => {
  const confusion = { low: { low: 90, middle: 10 }, middle: { low: 20, middle: 80 } };
  const predictor = {
    measured: 1000,
    predicted: 9000,
    heldout: 200,
    spearman: 0.83,
    same_band: 0.85,
    confusion,
  };
  const { rows, text } = show(perplexitySection, "perplexity", {
    files: { "packed/cells.json": { thresholds: { legal: { low: 5, middle: 15, high: 30 } }, predictor } },
  });
  expect(text).toContain("85.0% are predicted into their band; rank correlation (Spearman) 0.83");
  expect(rows).toContainEqual(["low", "90", "10"]);
  expect(rows).toContainEqual(["middle", "20", "80"]);
});

test("perplexity: bars reach the ends of the bands, and no document is lost in wider ones", () => {
  const edges = Array.from({ length: 301 }, (_, i) => 100 * 2 ** (i / 32));
  const counts = edges.slice(1).map((_, i) => i % 7);
  const [plot] = show(perplexitySection, "perplexity", {
    files: {
      "packed/cells.json": { thresholds: { legal: { low: 5, middle: 15, high: 30 } } },
      "packed/histogram.json": { edges, groups: [{ group: "legal", counts }] },
    },
  }).plots;
  const sum = (values: (number | null)[]) => values.reduce<number>((all, value) => all + (value ?? 0), 0);
  expect(sum(plot!.curves[0]!.values)).toBe(sum(counts));
  expect(plot!.x.values.length).toBeLessThanOrEqual(64);
  expect(plot!.x.values[0]).toBeLessThan(6);
  expect(plot!.x.values.at(-1)).toBeLessThan(edges.at(-1)!);
  expect(plot!.marks?.map(({ x }) => x)).toEqual([5, 15, 30]);
});

test("PAS: mixture and rate of every step, passes of every cell", () => {
  const order = {
    steps: 3,
    batch: 8,
    lambda: 5,
    orderSha256: "ab".repeat(32),
    cells: [
      { group: "legal", band: "low", weight: 0.6, sequences: 10 },
      { group: "legal", band: "high", weight: 0.4, sequences: 2 },
    ],
    passes: [1.2, 6],
    warnings: ["legal high is read 6 times"],
    perStep: {
      lr: [1e-3, 2e-3, 1e-4],
      p: [
        [0.9, 0.1],
        [0.6, 0.4],
        [0.99, 0.01],
      ],
      count: [
        [7, 1],
        [5, 3],
        [8, 0],
      ],
    },
  };
  const { rows, plots, text, section } = show(pasSection, "midtrain", {
    files: { "order/order.json": order },
  });
  expect(rows).toEqual([
    ["legal · low", "0.600", "10", "20", "1.200"],
    ["legal · high", "0.400", "2", "4", "6"],
  ]);
  expect(section?.body.text).toContain('<span class="warn">6</span>');
  expect(text).toContain("legal high is read 6 times");
  expect(plots[0]).toMatchObject({
    stacked: true,
    x: { values: [0, 1, 2] },
    curves: [{ label: "legal · low", values: [0.9, 0.6, 0.99] }, {}],
  });
  expect(plots[1]?.curves[0]?.values).toEqual([1e-3, 2e-3, 1e-4]);
});

test("LEAD: who was asked, marked where it is a stand-in, marks and drops", () => {
  const { rows, text } = show(leadSection, "lead-judge", {
    summary: {
      judge: {
        name: "scripted",
        revision: "1",
        stand_in: true,
        requests: 500,
        prompt_tokens: 174_274,
        completion_tokens: 50_484,
      },
      lowest: 7,
      mean_marks: { overall: 8.8 },
      dropped: { "judge:alignment": 16 },
      samples: { "charge_choice/train": 250 },
    },
  });
  expect(rows).toContainEqual(["lead-judge", "scripted stand-in", "1", "500", "174k", "50.5k"]);
  expect(rows).toContainEqual(["overall", "8.800"]);
  expect(rows).toContainEqual(["judge:alignment", "16", "100%"]);
  expect(text).toContain("below 7");
});

test("synthetic text: who wrote it, how much of each view and style, why the rest was dropped", () => {
  const teacher = { name: "scripted", revision: "1", stand_in: true, requests: 40, prompt_tokens: 900 };
  const { rows, text } = show(leadSection, "synthetic", {
    summary: {
      teacher: { ...teacher, completion_tokens: 800 },
      templates: {
        "multi-view/judge": { asked: 30, documents: 24 },
        "rewrites/plain": { asked: 10, documents: 6 },
      },
      dropped: { figure: 9, article: 1 },
    },
  });
  expect(rows).toContainEqual(["synthetic", "scripted stand-in", "1", "40", "900", "800"]);
  expect(rows).toContainEqual(["multi-view/judge", "24", "80.0%"]);
  expect(rows).toContainEqual(["figure", "9", "90.0%"]);
  expect(text).toContain("expert views and rewrites");
});

test("RL: held-out prompts stand beside the probes, alarms above, a level that was forgotten is marked", () => {
  const metrics = {
    memorisation_reward_before: 0.12,
    memorisation_reward_after: 0.41,
    memorisation_reward_after_lo: 0.26,
    memorisation_reward_after_hi: 0.57,
    memorisation_reward_later: 0.14,
    memorisation_heldout_before: 0.03,
    memorisation_heldout_after: 0.05,
  };
  const summary = {
    levels: [
      { name: "memorisation", prompts: 8, probes: 8, heldout: 8, steps: 40, ending: "ceiling", reward: 0.39 },
    ],
    alarms: [{ step: 80, message: "memorisation fell" }],
  };
  const series = [
    curve("reward_memorisation", 40, 0.1, 0.4),
    curve("length", 40, 20, 24),
    curve("ratio", 40, 1, 1),
  ];
  const { rows, plots, text, section } = show(rlSection, "rl", { metrics, summary, series });
  expect(rows.slice(0, 2).map((cells) => cells.slice(0, 6))).toEqual([
    ["memorisation", "probes of the pool", "0.120", "0.410", "0.260 – 0.570", "0.140"],
    ["", "held out", "0.030", "0.050", "", ""],
  ]);
  expect(rows[2]).toEqual(["memorisation", "8", "8", "8", "40", "ceiling", "0.390"]);
  expect(section?.body.text).toContain('<span class="bad">0.140</span>');
  expect(text).toContain("Step 80: memorisation fell");
  expect(plots.map((plot) => plot.title)).toEqual(["reward of the step's answers", "answer length, tokens"]);
});

test("evaluation: every model on every task, with intervals, beside chance", () => {
  const report = {
    models: ["base", "rl"],
    tasks: [
      {
        task: "charge_choice",
        items: 76,
        chance: 25,
        seen_in_training: true,
        strict: { base: 0, rl: 31.6 },
        compatible: { base: null, rl: 32 },
        option_likelihood: { base: null, rl: null },
      },
    ],
    rows: [{ task: "charge_choice", model: "rl", strict_lo: 22.1, strict_hi: 42.4 }],
  };
  const { rows, text } = show(evaluationSection, "eval", { files: { "evaluation/report.json": report } });
  expect(rows).toEqual([
    ["charge choice form seen in training", "76", "25.0", "0.0", "31.622.1 – 42.4"],
    ["charge choice form seen in training", "76", "25.0", "–", "32.0"],
  ]);
  expect(text).not.toContain("Likeliest option");
});

test("samples: the reasoning apart from the answer, a broken form as it is", () => {
  const answers = [
    { task: "charge_choice", prompt: "何罪？", answer: "<think>该行为属放火。</think>C", reference: "A" },
    { level: "memorisation", kind: "probe", when: "after", prompt: "背诵", answer: "<think>问", reward: 0.5 },
  ];
  const { section } = show(sampleSection, "rl", { summary: { answers } });
  expect(section?.body.text).toContain('<span class="think">该行为属放火。</span>\nC');
  expect(section?.body.text).toContain("&#60;think&#62;问");
  expect(section?.body.text).toContain("memorisation · probe · after");
});
