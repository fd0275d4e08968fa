import { fields, list, ofKind, type StageReport, textOf } from "../data.ts";
import { columns, tally } from "../free-form.ts";
import { html, htmlTable, type Markup } from "../html.ts";
import type { SectionView } from "../section.ts";

/** What the corpus kept, what it dropped and why, with samples of what was dropped, and the licences. */
export const corpusSection: SectionView = (data) => {
  const parts = ofKind(data, "corpus").flatMap((stage) => {
    const part = corpusPart(stage);
    return part === null ? [] : [part];
  });
  return parts.length === 0 ? null : { id: "corpus", title: "Corpus", body: html`${parts}` };
};

function corpusPart(stage: StageReport): Markup | null {
  const report = { ...stage.summary, ...fields(stage.files["corpus/report.json"]) };
  const tallies = columns([
    tally("Kept", report.kept, "documents"),
    tally("Dropped because", report.dropped, "documents"),
  ]);
  const dropped = samples(report.samples ?? report.dropped_samples);
  const licences = licenceTable(fields(stage.files["corpus/licenses.json"]));
  if (tallies === null && dropped === null && licences === null) return null;
  return html`${tallies}${dropped}${licences}`;
}

function samples(value: unknown): Markup | null {
  const rows = Array.isArray(value)
    ? list(value).map((entry) => [textOf(fields(entry).reason) ?? "", excerpt(fields(entry))])
    : Object.entries(fields(value)).flatMap(([reason, entries]) =>
        list(entries).map((entry) => [reason, excerpt(fields(entry))]),
      );
  if (rows.length === 0) return null;
  return html`<details><summary>Samples of what was dropped</summary>${htmlTable([{ title: "Reason" }, { title: "Text" }], rows.slice(0, 40))}</details>`;
}

function excerpt(entry: ReturnType<typeof fields>): string {
  const text = textOf(entry.text) ?? textOf(entry.title) ?? JSON.stringify(entry);
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

function licenceTable(licences: ReturnType<typeof fields>): Markup | null {
  const entries = Object.entries(licences);
  if (entries.length === 0) return null;
  return html`<details><summary>Sources and licences</summary>${htmlTable(
    [{ title: "Source" }, { title: "Licence" }],
    entries.map(([source, licence]) => [
      source,
      typeof licence === "string" ? licence : JSON.stringify(licence),
    ]),
  )}</details>`;
}
