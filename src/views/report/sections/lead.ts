import { count, number, words } from "../../format.ts";
import { type Fields, fields, numberOf, ofKind, type ReportData, type StageReport, textOf } from "../data.ts";
import { columns, tally } from "../free-form.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import type { SectionView } from "../section.ts";

/**
 * What a teacher wrote: LEAD from prompts to samples, and the synthetic group. What came out of each stage, who answered,
 * what the judge thought and dropped.
 */
export const leadSection: SectionView = (data) => {
  const parts = [
    askedTable(data),
    ...ofKind(data, "synthetic").map(syntheticPart),
    ...ofKind(data, "lead-prompts").map(promptTable),
    ...ofKind(data, "lead-synthesize", "lead-refine").map(dropped),
    ...ofKind(data, "lead-judge").map(judgePart),
  ];
  if (parts.every((part) => part === null)) return null;
  const title =
    ofKind(data, "synthetic").length > 0 ? "Distillation (LEAD) and synthetic text" : "Distillation (LEAD)";
  return { id: "lead", title, body: html`${parts}` };
};

/** Models that were asked, under the name of the part they play. */
const parts = ["model", "teacher", "judge"];

function askedTable(data: ReportData): Markup | null {
  const rows = ofKind(
    data,
    "synthetic",
    "lead-prompts",
    "lead-synthesize",
    "lead-refine",
    "lead-judge",
  ).flatMap((stage) =>
    parts.flatMap((part): Content[][] => {
      const asked = fields(stage.summary[part]);
      if (textOf(asked.name) === null) return [];
      const amount = (name: string) => count(numberOf(asked[name]) ?? 0);
      return [
        [
          stage.row.name,
          html`${asked.name as string}${asked.stand_in === true ? html` <span class="warn">stand-in</span>` : ""}`,
          textOf(asked.revision),
          amount("requests"),
          amount("prompt_tokens"),
          amount("completion_tokens"),
        ],
      ];
    }),
  );
  if (rows.length === 0) return null;
  return html`<h3>Who was asked</h3>${htmlTable(
    [
      { title: "Stage" },
      { title: "Model" },
      { title: "Revision" },
      { title: "Requests", numeric: true },
      { title: "Prompt tokens", numeric: true },
      { title: "Answer tokens", numeric: true },
    ],
    rows,
  )}`;
}

/** Texts of the synthetic group by view and style, and why others were dropped. */
function syntheticPart({ row, summary }: StageReport): Markup | null {
  const templates = Object.entries(fields(summary.templates)).map(([name, counts]): [string, number] => [
    name,
    numberOf(fields(counts).documents) ?? 0,
  ]);
  const blocks = columns([
    tally("Texts by view and style", Object.fromEntries(templates), "texts"),
    tally("Dropped because", summary.dropped, "texts"),
  ]);
  return blocks === null ? null : html`<h3>${row.name}: expert views and rewrites</h3>${blocks}`;
}

function promptTable({ summary }: StageReport): Markup | null {
  const rows = Object.entries(fields(summary.tasks)).map(([task, counts]): Content[] => {
    const told = fields(counts);
    const amount = (name: string) => count(numberOf(told[name]) ?? 0);
    return [
      words(task),
      amount("candidates"),
      amount("train"),
      amount("heldout"),
      list(fields(told.routes)),
      list(fields(told.dropped)),
    ];
  });
  if (rows.length === 0) return null;
  return html`<h3>Prompts</h3>${htmlTable(
    [
      { title: "Task" },
      { title: "Candidates", numeric: true },
      { title: "Training", numeric: true },
      { title: "Held out", numeric: true },
      { title: "Routes" },
      { title: "Dropped" },
    ],
    rows,
  )}`;
}

function list(counts: Fields): string {
  return Object.entries(counts)
    .map(([name, value]) => `${words(name)} ${number(numberOf(value) ?? 0)}`)
    .join(", ");
}

function dropped(stage: StageReport): Markup | null {
  const table = tally(`${stage.row.name}: dropped because`, stage.summary.dropped, "traces");
  const flags = tally(`${stage.row.name}: noticed`, stage.summary.flags, "traces");
  return columns([table, flags]);
}

function judgePart({ summary }: StageReport): Markup | null {
  const marks = Object.entries(fields(summary.mean_marks));
  const lowest = numberOf(summary.lowest);
  const table =
    marks.length === 0
      ? null
      : html`<div>${htmlTable(
          [{ title: "Axis" }, { title: "Mean mark of 10", numeric: true }],
          marks.map(([axis, mark]) => [words(axis), number(numberOf(mark) ?? 0)]),
        )}</div>`;
  const blocks = columns([
    table,
    tally("Samples by task and split", summary.samples, "samples"),
    tally("Dropped because", summary.dropped, "samples"),
  ]);
  if (blocks === null) return null;
  return html`<h3>Judgement</h3>${lowest === null ? "" : html`<p>A sample with a mark below ${lowest} on any axis is dropped.</p>`}${blocks}`;
}
