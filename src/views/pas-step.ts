import { number } from "./format.ts";
import type { Look } from "./look.ts";
import { table } from "./table.ts";

export interface ExplainedStep {
  step: number;
  lr: number;
  alpha: number;
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
    /** Cumulative, this step counted in. */
    target: number;
    taken: number;
    indices: number[];
    /** The same as row ids of the packed data; null without data. */
    rows: number[] | null;
  }[];
}

/** One step of an order in words and numbers. */
export function pasStepView(explained: ExplainedStep, look: Look): string {
  const { step, lr, alpha, lambda, hold, batch, cells, from, assumed } = explained;
  const right = { align: "right" } as const;
  const rows = cells.map((cell) => [
    cell.group,
    cell.band,
    number(cell.weight),
    cell.anchor === 0 ? "1" : `exp(${number(cell.anchor)}) = ${number(Math.exp(cell.anchor))}`,
    cell.p.toFixed(6),
    String(cell.count),
    cell.target.toFixed(3),
    String(cell.taken),
    (cell.taken - cell.target).toFixed(3),
    first(cell.indices),
    ...(cell.rows ? [first(cell.rows)] : []),
  ]);
  const bound = cells.length > 1 ? 1 - 1 / (2 * cells.length - 2) : 0;
  return [
    `step ${step}: learning rate ${number(lr)}, alpha ${number(alpha)}; ${batch} sequences; cells from ${from}`,
    ...(assumed ? [look.colors.yellow("These are no measured numbers.")] : []),
    `p = weight x exp(${number(lambda)} x (1 - alpha) for the low band) / Z${hold === "group" ? ", inside each group" : ""}`,
    "",
    table(
      [
        { title: "GROUP" },
        { title: "BAND" },
        { title: "WEIGHT", ...right },
        { title: "ANCHOR", ...right },
        { title: "P", ...right },
        { title: "COUNT", ...right },
        { title: "TARGET SO FAR", ...right },
        { title: "TAKEN", ...right },
        { title: "OFF BY", ...right },
        { title: "SEQUENCES" },
        ...(cells.some(({ rows }) => rows) ? [{ title: "ROWS" }] : []),
      ],
      rows,
      look.colors.dim,
    ),
    "",
    `No cell is ever off by more than ${number(bound)}.`,
  ].join("\n");
}

function first(indices: number[]): string {
  const shown = indices.slice(0, 6).join(" ");
  return indices.length > 6 ? `${shown} …` : shown;
}
