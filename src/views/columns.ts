export interface Column {
  /** Heading; absent in a table without headings. */
  title?: string;
  align?: "left" | "right";
  /**
   * What a cell does where the terminal is narrower than the table: goes on in its column, as words or as a command that
   * can still be copied; the same, but where its column would be too narrow it goes `below` its row; or is cut. Cells of
   * a column that says nothing stay whole.
   */
  gives?: "wrap" | "command" | "below" | "cut";
  /** Says whose row it is: stands in every panel. Without any it is the first column. */
  key?: true;
  /** The whole column goes where there is no room, `early` before a text moves below its row. */
  drop?: "early" | "late";
}

/** How a table is laid out. */
export interface Layout {
  /** Columns that stand side by side; several where not all of them fit: each begins with the key columns. */
  panels: number[][];
  /** By column. */
  widths: number[];
  /** The column whose texts go below their row where they do not fit into it; it may be in no panel. */
  below: number | undefined;
}

export const gap = "  ";
/** A text in a narrower column than this is no pleasure to read: it goes below its row, over the whole width. */
const readable = 24;
/** What is cut still shows so much. */
const least = 12;
/** Narrower than this nothing is cut as long as anything else can be. */
const useful = 8;

/**
 * Finds the first of these that fits into `room` columns: all side by side; columns that give narrower; without those of
 * little importance; a text below its row; several panels. Pure.
 * @param natural the widest cell of each column, its title counted
 * @param narrowest of each column the narrowest cell that is not empty
 */
export function layOut(
  columns: readonly Column[],
  natural: readonly number[],
  narrowest: readonly number[],
  room: number,
): Layout {
  const all = columns.map((_, i) => i).filter((i) => natural[i]! > 0);
  const sizes = { columns, natural, room };
  if (total(all, natural) <= room) return { panels: [all], widths: [...natural], below: undefined };
  const below = all.findLast((i) => columns[i]!.gives === "below");
  const early = without(columns, all, "early");
  const late = without(columns, early.at(-1)!, "late");
  for (const shown of early) {
    const widths = squeezed(sizes, shown, readable);
    if (widths) return { panels: [shown], widths, below: undefined };
  }
  for (const shown of [...early, ...late.slice(1)]) {
    const beside = shown.filter((i) => i !== below);
    const widths = squeezed(sizes, beside, least);
    if (!widths) continue;
    if (below === undefined) return { panels: [beside], widths, below };
    const rest = room - total(beside, widths) - gap.length;
    const fits = rest >= Math.max(narrowest[below]!, columns[below]!.title?.length ?? 0);
    widths[below] = Math.min(natural[below]!, rest);
    return { panels: [fits ? shown : beside], widths, below };
  }
  return {
    ...panelsOf(
      sizes,
      late.at(-1)!.filter((i) => i !== below),
    ),
    below,
  };
}

interface Sizes {
  columns: readonly Column[];
  natural: readonly number[];
  room: number;
}

function total(shown: readonly number[], widths: readonly number[]): number {
  return shown.reduce((sum, i) => sum + widths[i]!, 0) + gap.length * Math.max(0, shown.length - 1);
}

/** The columns; then without one of this class after the other, the rightmost first. */
function without(columns: readonly Column[], shown: readonly number[], drop: "early" | "late"): number[][] {
  const lists = [[...shown]];
  for (const i of shown.filter((i) => columns[i]!.drop === drop).reverse())
    lists.push(lists.at(-1)!.filter((other) => other !== i));
  return lists;
}

/** Widths where the widest of the columns that give have given what was too much; undefined where that is not enough. */
function squeezed(
  { columns, natural, room }: Sizes,
  shown: readonly number[],
  text: number,
): number[] | undefined {
  const widths = [...natural];
  const floor = (i: number) =>
    Math.min(
      natural[i]!,
      Math.max(columns[i]!.title?.length ?? 0, columns[i]!.gives === "cut" ? least : text),
    );
  const giving = shown.filter((i) => columns[i]!.gives !== undefined);
  let over = total(shown, widths) - room;
  while (over > 0) {
    const open = giving.filter((i) => widths[i]! > floor(i));
    if (open.length === 0) return undefined;
    const widest = Math.max(...open.map((i) => widths[i]!));
    const one = open.find((i) => widths[i] === widest)!;
    const next = Math.max(...open.filter((i) => i !== one).map((i) => widths[i]!), floor(one));
    const given = Math.min(over, Math.max(1, widest - next));
    widths[one] = widest - Math.min(given, widest - floor(one));
    over -= widest - widths[one];
  }
  return widths;
}

/** As many columns as fit beside those that say whose row it is, and then the others, beside the same again. */
function panelsOf({ columns, natural, room }: Sizes, shown: readonly number[]): Omit<Layout, "below"> {
  const keyed = shown.filter((i) => columns[i]!.key);
  const widths = natural.map((width, i) =>
    columns[i]!.gives === undefined
      ? width
      : Math.min(width, Math.max(least, columns[i]!.title?.length ?? 0)),
  );
  const widest = Math.max(0, ...shown.filter((i) => !columns[i]!.key).map((i) => widths[i]!));
  const keys =
    total(keyed, widths) + gap.length + widest <= room && keyed.length > 0 ? keyed : shown.slice(0, 1);
  const others = shown.filter((i) => !keys.includes(i));
  if (keys.length === 1) {
    // Nothing is left but to cut: a name before a number.
    const [key = 0] = keys;
    widths[key] = Math.max(1, Math.min(widths[key]!, Math.max(useful, room - widest - gap.length), room));
    for (const i of others) widths[i] = Math.min(widths[i]!, Math.max(1, room - widths[key] - gap.length));
  }
  const panels: number[][] = [[...keys]];
  for (const i of others) {
    const panel = panels.at(-1)!;
    if (panel.length > keys.length && total([...panel, i], widths) > room) panels.push([...keys, i]);
    else panel.push(i);
  }
  return { panels, widths };
}
