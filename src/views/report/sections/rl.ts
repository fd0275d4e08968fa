import { number, words } from "../../format.ts";
import { boundsOf, type Metrics } from "../../key-numbers.ts";
import { type Fields, fields, list, numberOf, ofKind, type StageReport, textOf } from "../data.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import { interval } from "../interval.ts";
import { align, isFlat, metricPlot, type Plot, smooth } from "../plot.ts";
import type { Draw, SectionView } from "../section.ts";

/** Reinforcement learning: reward on probes of the pool and on held-out prompts, and the curves of the curriculum. */
export const rlSection: SectionView = (data, draw) => {
  const parts = ofKind(data, "rl").flatMap((stage) => rlPart(stage, draw) ?? []);
  return parts.length === 0 ? null : { id: "rl", title: "Reinforcement learning", body: html`${parts}` };
};

function rlPart(stage: StageReport, draw: Draw): Markup | null {
  const levels = levelNames(stage);
  const rows = levels.flatMap((level) => levelRows(level, stage.metrics));
  const plots = plotsOf(stage, levels);
  if (rows.length === 0 && plots.length === 0) return null;
  const alarms = list(stage.summary.alarms).map(fields);
  return html`${alarms.map((alarm) => html`<p class="note">Step ${String(alarm.step ?? "?")}: ${textOf(alarm.message)}</p>`)}
${
  rows.length === 0
    ? ""
    : html`<p>Mean reward over several samples a prompt, before and after each level. Probes are fixed prompts of the level's own pool: they show whether RL works at all. Held-out prompts were never trained on: they show what carries over, and at the size of a demo little does. “After all” is measured again once the later levels have ended.</p>${htmlTable(
        [
          { title: "Level" },
          { title: "Prompts" },
          { title: "Before", numeric: true },
          { title: "After", numeric: true },
          { title: "Interval after", numeric: true },
          { title: "After all", numeric: true },
          { title: "" },
        ],
        rows,
      )}`
}${levelTable(list(stage.summary.levels).map(fields))}<div class="plots">${plots.map(draw)}</div>`;
}

function levelNames({ metrics, summary }: StageReport): string[] {
  const told = list(summary.levels).flatMap((level) => textOf(fields(level).name) ?? []);
  const measured = Object.keys(metrics).flatMap(
    (name) => name.match(/^(.+)_reward_(before|after)$/)?.[1] ?? [],
  );
  return [...new Set([...told, ...measured])];
}

function levelRows(level: string, metrics: Metrics): Content[][] {
  return (
    [
      ["reward", "probes of the pool"],
      ["heldout", "held out"],
    ] as const
  ).flatMap(([kind, label]) => {
    const before = metrics[`${level}_${kind}_before`];
    const after = metrics[`${level}_${kind}_after`];
    if (before === undefined || after === undefined) return [];
    const later = metrics[`${level}_${kind}_later`];
    const bounds = boundsOf(metrics, `${level}_${kind}_after`);
    const picture = interval({
      value: after,
      bounds,
      against: { value: before, bounds: boundsOf(metrics, `${level}_${kind}_before`) },
      low: 0,
      high: 1,
      tone: after > before ? "good" : "bad",
    });
    return [
      [
        kind === "reward" ? html`<b>${words(level)}</b>` : "",
        label,
        number(before),
        number(after),
        bounds === null ? "" : `${number(bounds[0])} – ${number(bounds[1])}`,
        later === undefined ? "" : html`<span class="${later < after ? "bad" : ""}">${number(later)}</span>`,
        picture,
      ],
    ];
  });
}

function levelTable(levels: Fields[]): Markup | null {
  if (levels.length === 0) return null;
  const amount = (value: unknown) => (numberOf(value) === null ? "" : number(numberOf(value)!));
  const rows = levels.map((level): Content[] => [
    textOf(level.name),
    amount(level.prompts),
    amount(level.probes),
    amount(level.heldout),
    amount(level.steps),
    words(textOf(level.ending) ?? ""),
    amount(level.reward),
  ]);
  return htmlTable(
    [
      { title: "Level" },
      { title: "Pool", numeric: true },
      { title: "Probes", numeric: true },
      { title: "Held out", numeric: true },
      { title: "Steps", numeric: true },
      { title: "Ended by" },
      { title: "Last reward", numeric: true },
    ],
    rows,
  );
}

/** Curves that tell whether RL is healthy: reward and length together, form, entropy, clipping. */
const watched: [metric: string, title: string][] = [
  ["length", "answer length, tokens"],
  ["form_share", "share of answers in the <think> form"],
  ["mixed_groups", "groups with a spread of rewards"],
  ["draws", "draws until enough groups were mixed"],
  ["entropy", "entropy"],
  ["clip_share", "share of clipped tokens"],
  ["grad_norm", "gradient norm"],
];

function plotsOf(stage: StageReport, levels: string[]): Plot[] {
  const named = (name: string) => stage.series.filter((series) => series.name === name);
  const others = watched
    .map(([name, title]) => metricPlot(title, title, named(name)))
    .filter((plot) => plot !== null && !isFlat(plot));
  return [rewardPlot(stage, levels) ?? metricPlot("reward", "reward", named("reward")), ...others].filter(
    (plot) => plot !== null,
  );
}

/** Mean reward of each step's answers, a colour a level. */
function rewardPlot({ series }: StageReport, levels: string[]): Plot | null {
  const curves = levels.flatMap((level) =>
    series.filter((one) => one.name === `reward_${level}` && one.points.length > 1),
  );
  if (curves.length === 0) return null;
  const { steps, values } = align(curves);
  return {
    title: "reward of the step's answers",
    x: { label: "step", values: steps },
    y: { label: "reward" },
    curves: curves.flatMap((one, i) => {
      const label = words(one.name.replace(/^reward_/, ""));
      return [
        { label: `${label}, as measured`, values: values[i]!, color: i, style: "faint" as const },
        { label, values: smooth(values[i]!), color: i },
      ];
    }),
  };
}
