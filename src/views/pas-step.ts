import { number } from "./format.ts";
import type { Look } from "./look.ts";
import { paragraphs, table, wrap } from "./table.ts";

export interface ExplainedStep {
  step: number;
  lr: number;
  alpha: number;
  /** First step that is counted together with this one, and the step after the last. */
  segment: { from: number; to: number };
  lambda: number;
  hold: "none" | "group";
  batch: number;
  from: string;
  assumed: boolean;
  cells: {
    group: string;
    band: string;
    weight: number;
    /** Exponent: lambda (1 - alpha) for the anchored band, else 0. */
    anchor: number;
    p: number;
    count: number;
    /** Sequences that the cell was owed when the step began. */
    deficit: number;
    /** Cumulative from the segment's first step on, this step counted in. */
    target: number;
    taken: number;
    indices: number[];
    /** The same as row ids of the packed data; null without data. */
    rows: number[] | null;
    /** Ids of the documents whose tokens each of these rows holds; null where the packed data does not say. */
    documents: string[][] | null;
  }[];
}

/** One step of an order in words and numbers. */
export function pasStepView(explained: ExplainedStep, look: Look): string {
  const { step, lr, alpha, segment, lambda, hold, batch, cells, from, assumed } = explained;
  const right = { align: "right" } as const;
  const rows = cells.map((cell) => [
    cell.group,
    cell.band,
    number(cell.weight),
    cell.anchor === 0 ? "1" : `exp(${number(cell.anchor)}) = ${number(Math.exp(cell.anchor))}`,
    cell.p.toFixed(6),
    cell.deficit.toFixed(3),
    String(cell.count),
    cell.target.toFixed(3),
    String(cell.taken),
    (cell.taken - cell.target).toFixed(3),
    first(cell.indices),
    ...(cell.rows ? [first(cell.rows)] : []),
  ]);
  const bound = cells.length > 1 ? 1 - 1 / (2 * cells.length - 2) : 0;
  return [
    paragraphs(
      [
        `step ${step}: learning rate ${number(lr)}, alpha ${number(alpha)}; ${batch} sequences; cells from ${from}`,
        ...(assumed ? [look.colors.yellow("These are no measured numbers.")] : []),
        ...(segment.from > 0
          ? [`amended at step ${segment.from}: targets and counts begin again there`]
          : []),
        `p = weight x exp(${number(lambda)} x (1 - alpha) for the low band) / Z${hold === "group" ? ", inside each group" : ""}`,
      ],
      look,
    ),
    "",
    table(
      [
        { title: "GROUP", key: true },
        { title: "BAND", key: true },
        { title: "WEIGHT", ...right },
        { title: "ANCHOR", ...right },
        { title: "P", ...right },
        { title: "OWED BEFORE", ...right },
        { title: "COUNT", ...right },
        { title: "TARGET SO FAR", ...right },
        { title: "TAKEN", ...right },
        { title: "OFF BY", ...right },
        { title: "SEQUENCES" },
        ...(cells.some(({ rows }) => rows) ? [{ title: "ROWS" }] : []),
      ],
      rows,
      look,
    ),
    "",
    ...documentLines(cells).map((line) => wrap(line, look.width)),
    `No cell is ever off by more than ${number(bound)}.`,
  ].join("\n");
}

const documentsShown = 4;

/** The documents behind the rows that the table shows. */
function documentLines(cells: ExplainedStep["cells"]): string[] {
  const lines = cells.flatMap(({ group, band, rows, documents }) =>
    (documents ?? []).slice(0, sequencesShown).map((ids, n) => {
      const more = ids.length > documentsShown ? ` and ${ids.length - documentsShown} more` : "";
      return `  ${group}/${band} row ${rows![n]}: ${ids.slice(0, documentsShown).join(", ")}${more}`;
    }),
  );
  return lines.length === 0 ? [] : ["Documents whose tokens these rows hold:", ...lines, ""];
}

const sequencesShown = 6;

function first(indices: number[]): string {
  const shown = indices.slice(0, sequencesShown).join(" ");
  return indices.length > sequencesShown ? `${shown} …` : shown;
}
