import { number, points, words } from "../../format.ts";
import { type Fields, fields, list, numberOf, ofKind, type StageReport, textOf } from "../data.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import type { SectionView } from "../section.ts";

/** Scores of every model on every task, in percent. */
export const evaluationSection: SectionView = (data) => {
  const parts = ofKind(data, "eval").flatMap((stage) => evaluationPart(stage) ?? []);
  return parts.length === 0 ? null : { id: "evaluation", title: "Evaluation", body: html`${parts}` };
};

function evaluationPart(stage: StageReport): Markup | null {
  const report = stage.files["evaluation/report.json"] ?? stage.summary;
  const models = list(report.models).map(String);
  const tasks = list(report.tasks).map(fields);
  if (models.length === 0 || tasks.length === 0) return null;
  const rows = list(report.rows).map(fields);
  const likelihoods = tasks.some((task) =>
    Object.values(fields(task.option_likelihood)).some((value) => numberOf(value) !== null),
  );
  const alike = tasks.every((task) => models.every((model) => sameScore(task, model)));
  return html`<p>Percent, with 95 % bootstrap intervals over items. “Strict” asks for a well-formed answer; “compatible” is the number LegalKit's rules give.</p>
<h3>${alike ? "Strict, and compatible: they are equal here" : "Strict"}</h3>${scoreTable(models, tasks, "strict", (task, model) => bounds(rows, task, model))}
${alike ? "" : html`<h3>Compatible</h3>${scoreTable(models, tasks, "compatible")}`}
${likelihoods ? html`<h3>Likeliest option</h3><p>The option whose text the model finds likeliest after the question: for models too small to answer in form.</p>${scoreTable(models, tasks, "option_likelihood")}` : ""}`;
}

/** Whether both modes give a model one score; a table that says the same twice is shown once. */
function sameScore(task: Fields, model: string): boolean {
  const score = (mode: string) => numberOf(fields(task[mode])[model]);
  return Math.abs((score("strict") ?? -1) - (score("compatible") ?? -1)) < 1e-9;
}

type Bounds = (task: string, model: string) => string | null;

function scoreTable(
  models: string[],
  tasks: Fields[],
  score: string,
  boundsFor: Bounds = () => null,
): Markup {
  const rows = tasks.map((task): Content[] => [
    html`${words(textOf(task.task) ?? "")}${task.seen_in_training === true ? html` <span class="dim">form seen in training</span>` : ""}`,
    number(numberOf(task.items) ?? 0),
    numberOf(task.chance) === null ? "" : points(numberOf(task.chance)!),
    ...models.map((model): Content => {
      const value = numberOf(fields(task[score])[model]);
      const span = boundsFor(textOf(task.task) ?? "", model);
      return value === null
        ? "–"
        : html`${points(value)}${span === null ? "" : html`<br><span class="dim">${span}</span>`}`;
    }),
  ]);
  return htmlTable(
    [
      { title: "Task" },
      { title: "Items", numeric: true },
      { title: "Chance", numeric: true },
      ...models.map((model) => ({ title: model, numeric: true })),
    ],
    rows,
  );
}

function bounds(rows: Fields[], task: string, model: string): string | null {
  const row = rows.find((one) => one.task === task && one.model === model);
  const low = numberOf(row?.strict_lo);
  const high = numberOf(row?.strict_hi);
  return low === null || high === null ? null : `${points(low)} – ${points(high)}`;
}
