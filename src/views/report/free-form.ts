import { number, percent, words } from "../format.ts";
import { type Fields, fields, list, numberOf } from "./data.ts";
import { type Content, html, htmlTable, type Markup, shareBar } from "./html.ts";

/** Scalars of a free-form summary as tiles: the name below the value. Nothing where there are none. */
export function tiles(entries: [name: string, value: unknown][]): Markup | null {
  const shown = entries.flatMap(([name, value]) => {
    const text = scalar(value);
    return text === null ? [] : [html`<div><b>${text}</b><span>${words(name)}</span></div>`];
  });
  return shown.length === 0 ? null : html`<div class="tile">${shown}</div>`;
}

function scalar(value: unknown): string | null {
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" && value.length > 0 && value.length <= 60 ? value : null;
}

/** `{name: number}` as rows with bars, the greatest first: why documents were dropped, samples by task, … */
export function tally(title: string, value: unknown, unit = "number"): Markup | null {
  const entries = Object.entries(fields(value)).flatMap(([name, entry]) => {
    const found = numberOf(entry);
    return found === null ? [] : [[name, found] as const];
  });
  const total = entries.reduce((sum, [, entry]) => sum + entry, 0);
  if (entries.length === 0 || total <= 0) return null;
  const rows = entries
    .sort((a, b) => b[1] - a[1])
    .map(([name, entry]): Content[] => [
      words(name),
      number(entry),
      shareBar(entry / total, percent(entry / total)),
    ]);
  return html`<div>${htmlTable([{ title }, { title: unit, numeric: true }, { title: "share" }], rows)}</div>`;
}

/** How often each score was given, as a histogram in a table: `{"1": 3, "2": 10}` or a list of scores. */
export function scoreTally(title: string, value: unknown): Markup | null {
  if (!Array.isArray(value)) return tally(title, value);
  const counts: Fields = {};
  for (const score of list(value)) {
    const key = String(score);
    counts[key] = (numberOf(counts[key]) ?? 0) + 1;
  }
  return tally(title, counts);
}

/** Blocks side by side where the page is wide enough. */
export function columns(blocks: (Markup | null)[]): Markup | null {
  const shown = blocks.filter((block) => block !== null);
  return shown.length === 0 ? null : html`<div class="plots">${shown}</div>`;
}
