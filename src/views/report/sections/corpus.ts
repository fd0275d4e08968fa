import { count, number, words } from "../../format.ts";
import { type Fields, fields, list, numberOf, ofKind, type StageReport, textOf } from "../data.ts";
import { columns, tally } from "../free-form.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import type { SectionView } from "../section.ts";

/** What the corpus kept, what it dropped and why, source by source, with samples of what was dropped. */
export const corpusSection: SectionView = (data) => {
  const parts = ofKind(data, "corpus").flatMap((stage) => corpusPart(stage) ?? []);
  return parts.length === 0 ? null : { id: "corpus", title: "Corpus", body: html`${parts}` };
};

function corpusPart(stage: StageReport): Markup | null {
  const report = stage.files["corpus/report.json"] ?? stage.summary;
  const sources = list(report.sources).map(fields);
  const dropped: Fields = fields(stage.summary.dropped);
  const blocks = [
    splitTable(fields(report.splits)),
    columns([tally("Dropped because", reasons(sources, dropped), "documents")]),
    contamination(fields(report.decontamination)),
    sourceTable(sources),
    samples(sources),
  ];
  return blocks.every((block) => block === null) ? null : html`${blocks}`;
}

/** Documents and characters by split and group. */
function splitTable(splits: Fields): Markup | null {
  const rows = Object.entries(splits).flatMap(([split, groups]) =>
    Object.entries(fields(groups)).map(([group, counts]): Content[] => [
      words(split),
      group,
      count(numberOf(fields(counts).documents) ?? 0),
      count(numberOf(fields(counts).characters) ?? 0),
    ]),
  );
  if (rows.length === 0) return null;
  return html`<h3>Kept</h3>${htmlTable([{ title: "Split" }, { title: "Group" }, { title: "Documents", numeric: true }, { title: "Characters", numeric: true }], rows)}`;
}

/** Rows that a source's own selection left out were never meant: they are no loss. */
const meant = "not_selected";

function reasons(sources: Fields[], told: Fields): Fields {
  const totals: Record<string, number> = {};
  for (const source of sources)
    for (const [reason, value] of Object.entries(fields(source.dropped)))
      totals[reason] = (totals[reason] ?? 0) + (numberOf(value) ?? 0);
  const all = sources.length > 0 ? totals : told;
  return Object.fromEntries(Object.entries(all).filter(([reason]) => reason !== meant));
}

/** The evaluation's questions that were looked for, and those that stood in documents. */
function contamination(told: Fields): Markup | null {
  const asked = numberOf(told.questions) ?? 0;
  if (asked === 0) return null;
  const rows = Object.entries(fields(told.found)).map(([task, found]): Content[] => [
    task,
    count(numberOf(fields(found).questions) ?? 0),
    count(numberOf(fields(found).documents) ?? 0),
  ]);
  const short = numberOf(told.too_short) ?? 0;
  const table =
    rows.length === 0
      ? html`<p>None of them stands in a document.</p>`
      : htmlTable(
          [
            { title: "Task" },
            { title: "Questions found", numeric: true },
            { title: "Documents dropped", numeric: true },
          ],
          rows,
        );
  return html`<h3>Questions of the evaluation</h3><p>${count(asked)} were looked for; ${count(short)} are too short for it.</p>${table}`;
}

/** What became of a source's rows: every row is in one of the parts, and what is in none is said to be unknown. */
function fateOf(source: Fields) {
  const counts = Object.entries(fields(source.dropped)).map(
    ([reason, value]) => [reason, numberOf(value) ?? 0] as const,
  );
  const why = counts.filter(([reason]) => reason !== meant);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const parts = {
    notSelected: sum(counts.filter(([reason]) => reason === meant).map(([, value]) => value)),
    broken: numberOf(fields(source.broken).rows) ?? 0,
    dropped: sum(why.map(([, value]) => value)),
    kept: sum(Object.values(fields(source.kept)).map((split) => numberOf(fields(split).documents) ?? 0)),
  };
  const rows = numberOf(source.rows) ?? 0;
  return { rows, ...parts, unknown: rows - sum(Object.values(parts)), why };
}

/** Whole numbers, so that a reader can add them up: rows = not selected + broken + dropped + kept. */
function sourceTable(sources: Fields[]): Markup | null {
  if (sources.length === 0) return null;
  const rows = sources.map((source): Content[] => {
    const { rows, notSelected, broken, dropped, kept, unknown, why } = fateOf(source);
    const reasons = why.map(([reason, value]) => `${words(reason)} ${number(value)}`).join(", ");
    return [
      textOf(source.name),
      textOf(source.group),
      number(rows),
      number(notSelected),
      number(broken),
      html`${number(dropped)}${unknown === 0 ? "" : html` <span class="warn">(${number(unknown)} more are told nowhere)</span>`}`,
      number(kept),
      reasons,
      textOf(source.license),
    ];
  });
  return html`<h3>Sources</h3><p>Rows = not selected by the source's own choice + broken + dropped + kept.</p>${htmlTable(
    [
      { title: "Source" },
      { title: "Group" },
      { title: "Rows", numeric: true },
      { title: "Not selected", numeric: true },
      { title: "Broken", numeric: true },
      { title: "Dropped", numeric: true },
      { title: "Kept", numeric: true },
      { title: "Dropped because" },
      { title: "Licence" },
    ],
    rows,
  )}`;
}

function samples(sources: Fields[]): Markup | null {
  const rows = sources.flatMap((source) =>
    Object.entries(fields(source.samples)).flatMap(([reason, entries]) =>
      list(entries)
        .map(fields)
        .map((entry): Content[] => [
          words(reason),
          textOf(source.name),
          textOf(entry.title),
          textOf(entry.excerpt) ?? textOf(entry.text),
          textOf(entry.detail),
        ]),
    ),
  );
  if (rows.length === 0) return null;
  return html`<details><summary>Samples of what was dropped</summary>${htmlTable([{ title: "Reason" }, { title: "Source" }, { title: "Title" }, { title: "Text" }, { title: "Detail" }], rows.slice(0, 60))}</details>`;
}
