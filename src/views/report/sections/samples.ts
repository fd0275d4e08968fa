import { number, words } from "../../format.ts";
import { type Fields, fields, list, numberOf, type ReportData, textOf } from "../data.ts";
import { html, type Markup } from "../html.ts";
import type { SectionView } from "../section.ts";

const shownPerStage = 12;

/** Answers as the models gave them, as the stages chose to show them: the first ones, not the best ones. */
export const sampleSection: SectionView = (data) => {
  const parts = data.stages.flatMap((stage) => {
    const answers = answersOf(data, stage.row.name);
    if (answers.length === 0) return [];
    const [open, more] = [answers.slice(0, 2), answers.slice(2, shownPerStage)];
    const rest =
      more.length === 0
        ? ""
        : html`<details><summary>${more.length} more</summary>${more.map(sample)}</details>`;
    return [html`<h3>${stage.row.name}</h3>${open.map(sample)}${rest}`];
  });
  return parts.length === 0 ? null : { id: "samples", title: "Sample answers", body: html`${parts}` };
};

/** Answers to one prompt stand together: before and after, or model after model. */
function answersOf({ stages }: ReportData, name: string): Fields[] {
  const stage = stages.find((one) => one.row.name === name);
  const answers = list(stage?.summary.answers)
    .map(fields)
    .filter((answer) => textOf(answer.prompt) !== null);
  const prompts = answers.map(promptKey);
  return answers.toSorted((a, b) => prompts.indexOf(promptKey(a)) - prompts.indexOf(promptKey(b)));
}

function promptKey(answer: Fields): string {
  return `${String(answer.level)} ${String(answer.task)} ${String(answer.prompt)}`;
}

function sample(answer: Fields): Markup {
  const head = [answer.model, answer.task, answer.level, answer.kind, answer.when]
    .flatMap((part) => textOf(part) ?? [])
    .map((part) => words(part));
  const reward = numberOf(answer.reward);
  const reference = textOf(answer.reference) ?? textOf(answer.gold);
  return html`<div class="sample"><h3>${head.join(" · ")}${reward === null ? "" : html` <span class="dim">reward ${number(reward)}</span>`}</h3><dl>
<dt>Prompt</dt><dd>${textOf(answer.prompt)}</dd><dt>Answer</dt><dd>${thought(textOf(answer.answer) ?? textOf(answer.prediction) ?? "")}</dd>
${reference === null ? "" : html`<dt>Reference</dt><dd>${reference}</dd>`}</dl></div>`;
}

/** The reasoning is set apart from the answer; a form that is broken is shown as it is. */
function thought(text: string): Markup {
  const [, think, answer] = text.match(/^\s*<think>([\s\S]*?)<\/think>([\s\S]*)$/) ?? [];
  if (think === undefined || answer === undefined)
    return html`${text === "" ? html`<span class="dim">(nothing)</span>` : text}`;
  return html`<span class="think">${think.trim()}</span>\n${answer.trim()}`;
}
