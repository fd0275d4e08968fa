import { stripVTControlCharacters } from "node:util";

export interface Column {
  /** Heading; absent in a table without headings. */
  title?: string;
  align?: "left" | "right";
}

const gap = "  ";
/** No cell is wider, whatever name or message somebody wrote: one alone would push all others off the screen. */
const most = { inner: 60, last: 1000 };

/** Rows as aligned text. Counts Chinese characters as two columns and colours as none; the last column is not padded. */
export function table(
  columns: Column[],
  rows: string[][],
  heading: (text: string) => string = (text) => text,
): string {
  const cells = rows.map((row) =>
    columns.map((_, i) => bounded(row[i] ?? "", i === columns.length - 1 ? most.last : most.inner)),
  );
  const titles = columns.map((column) => column.title ?? "");
  const titled = titles.some((title) => title !== "");
  const widths = columns.map((_, i) =>
    Math.max(...[...(titled ? [titles] : []), ...cells].map((row) => displayWidth(row[i] ?? "")), 0),
  );
  const line = (row: string[], paint = (text: string) => text) =>
    columns
      .map((column, i) => {
        const cell = row[i] ?? "";
        const space = " ".repeat(widths[i]! - displayWidth(cell));
        if (column.align === "right") return space + paint(cell);
        return i === columns.length - 1 ? paint(cell) : paint(cell) + space;
      })
      .join(gap)
      .trimEnd();
  return [...(titled ? [line(titles, heading)] : []), ...cells.map((row) => line(row))].join("\n");
}

const colours = new RegExp(`(${String.fromCharCode(27)}\\[[\\d;]*m)`);

/** One line, at most `width` columns; colours are kept and ended. */
function bounded(cell: string, width: number): string {
  const text = cell.replaceAll(/[\r\n]+/g, " ");
  // Bytes are more than columns: most cells are not measured twice.
  if (text.length <= width / 2 || displayWidth(text) <= width) return text;
  let left = width - 1;
  return text
    .split(colours)
    .map((part, i) => {
      if (i % 2 === 1 || left <= 0) return i % 2 === 1 ? part : "";
      const kept = cut(part, left);
      left = kept === part ? left - displayWidth(part) : 0;
      return left > 0 || kept !== part ? kept : `${kept}…`;
    })
    .join("");
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/;

/** Columns a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) width += wide.test(character) ? 2 : 1;
  return width;
}

/** Cuts a plain text (no colours) to a number of columns, with `…` where something was cut. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let left = Math.max(0, width - 1);
  let out = "";
  for (const character of text.slice(0, 2 * width)) {
    left -= displayWidth(character);
    if (left < 0) break;
    out += character;
  }
  return `${out}…`;
}

/** A plain text in lines of at most `width` columns, broken between words; a word that is longer stays whole. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(word) <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines.join("\n");
}

/** Every line moved right by `by` columns. */
export function indent(text: string, by = 2): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? line : " ".repeat(by) + line))
    .join("\n");
}
