import { stripVTControlCharacters } from "node:util";
import { type Column, gap, layOut } from "./columns.ts";
import type { Look } from "./look.ts";

/** No cell is wider, whatever name or message somebody wrote: one alone would push all others off the screen. */
const most = 1000;
/** Where begins what stands below its row. */
const inset = 4;

/**
 * Rows as aligned text, no line of it wider than the terminal: columns that say so give way (see `Column`), and into a
 * file or pipe all is written out. Counts Chinese characters as two columns and colours as none; the last column is not
 * padded.
 * @param by columns by which all is moved right
 */
export function table(columns: readonly Column[], rows: string[][], look: Look, by = 0): string {
  const last = columns.length - 1;
  const inner = Math.min(most, Math.max(60, Math.floor(look.width / 2)));
  const cells = rows.map((row) => columns.map((_, i) => bounded(row[i] ?? "", i === last ? most : inner)));
  const titles = columns.map((column) => column.title ?? "");
  const titled = titles.some((title) => title !== "");
  const sizes = columns.map((_, i) => cells.map((row) => displayWidth(row[i]!)));
  const natural = sizes.map((column, i) => Math.max(displayWidth(titles[i]!), ...column));
  const narrowest = sizes.map((column) => Math.min(...column.filter((width) => width > 0)));
  const room = Math.max(1, look.width - by);
  const { panels, widths, below } = layOut(columns, natural, narrowest, room);
  const text = panels.map((panel, n) => {
    const moved = n === panels.length - 1 ? below : undefined;
    const heading = sideBySide(
      panel,
      (i) => [cut(titles[i]!, widths[i]!)],
      (i) => padder(columns[i]!, widths[i]!, i === panel.at(-1), look.colors.dim),
    );
    const body = cells.flatMap((row) => {
      const told = moved === undefined ? "" : row[moved]!;
      const apart = told !== "" && !(panel.includes(moved!) && displayWidth(told) <= widths[moved!]!);
      const beside = sideBySide(
        panel,
        (i) => (i === moved && apart ? [""] : lines(row[i]!, widths[i]!, columns[i]!.gives)),
        (i) => padder(columns[i]!, widths[i]!, i === panel.at(-1)),
      );
      if (!apart) return beside;
      const left = Math.min(inset, room - 1);
      return [...beside, ...lines(told, room - left, "below").map((line) => " ".repeat(left) + line)];
    });
    return [...(titled ? heading : []), ...body].join("\n");
  });
  return indent(text.join("\n\n"), by);
}

/** The cells of a row, each of one line or more, as lines. */
function sideBySide(
  panel: readonly number[],
  cell: (i: number) => string[],
  pad: (i: number) => (text: string) => string,
): string[] {
  const parts = panel.map(cell);
  const pads = panel.map(pad);
  return Array.from({ length: Math.max(1, ...parts.map((part) => part.length)) }, (_, line) =>
    parts
      .map((part, at) => pads[at]!(part[line] ?? ""))
      .join(gap)
      .trimEnd(),
  );
}

function padder({ align }: Column, width: number, last: boolean, paint = (text: string) => text) {
  return (cell: string): string => {
    const space = " ".repeat(Math.max(0, width - displayWidth(cell)));
    if (align === "right") return space + paint(cell);
    return last ? paint(cell) : paint(cell) + space;
  };
}

/** A cell as lines of at most `width` columns. */
function lines(cell: string, width: number, gives: Column["gives"]): string[] {
  if (displayWidth(cell) <= width) return [cell];
  if (gives === "wrap" || gives === "below") return broken(stripVTControlCharacters(cell), width);
  if (gives === "command") {
    const words = wrap(stripVTControlCharacters(cell), width - 4).split("\n");
    return words.map((line, i) => `${i === 0 ? "" : "  "}${line}${i === words.length - 1 ? "" : " \\"}`);
  }
  return [bounded(cell, width)];
}

/** Lines of at most `width` columns: broken between words, and within a word that is longer. */
function broken(text: string, width: number): string[] {
  return wrap(text, width)
    .split("\n")
    .flatMap((line) => byCharacter(line, width));
}

function byCharacter(text: string, width: number): string[] {
  const parts = [""];
  let left = width;
  for (const character of text) {
    left -= displayWidth(character);
    if (left < 0 && parts.at(-1) !== "") {
      parts.push("");
      left = width - displayWidth(character);
    }
    parts[parts.length - 1] += character;
  }
  return parts;
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

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

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

/**
 * A plain text in lines of at most `width` columns, broken between words; a word that is longer stays whole, unless it is
 * written as Chinese is, without spaces.
 */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  const long = (word: string) => displayWidth(word) > width && wide.test(word);
  for (const word of text.split(" ").flatMap((word) => (long(word) ? byCharacter(word, width) : [word]))) {
    const last = lines.at(-1);
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(word) <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines.join("\n");
}

/** Sentences, each from a line of its own. */
export function paragraphs(texts: readonly string[], { width }: Pick<Look, "width">): string {
  return texts.map((text) => wrap(text, width)).join("\n");
}

/** Every line moved right by `by` columns. */
export function indent(text: string, by = 2): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? line : " ".repeat(by) + line))
    .join("\n");
}
