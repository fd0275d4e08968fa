import { type Cell, type PasOptions, unit, writeProbabilities } from "./pas.ts";

/** Steps whose probabilities are kept. A power of 2, so that a step finds its place with a mask. */
const kept = 4096;

/** Probabilities of every cell at every step of a schedule, in units of 2^-40. */
export interface Chances {
  steps: number;
  cells: number;
  /** Whether a cell has a weight; one without has no probability at any step. */
  weighs: (cell: number) => boolean;
  of(step: number, cell: number): number;
  /** Those of all cells as numbers between 0 and 1. */
  row(step: number): number[];
}

/**
 * Computes probabilities when they are asked for, from `alpha(step)`, and keeps those of the steps around: memory does not
 * grow with the schedule. Steps may be asked for in any order; near ones are cheap.
 */
export function chances(
  cells: readonly Cell[],
  options: PasOptions,
  steps: number,
  alpha: (step: number) => number,
): Chances {
  const k = cells.length;
  const length = Math.min(kept, 2 ** Math.ceil(Math.log2(steps)));
  const rows = new Float64Array(length * k);
  const holds = new Float64Array(length).fill(-1);
  const at = (step: number): number => {
    const place = step & (length - 1);
    if (holds[place] !== step) {
      writeProbabilities(cells, options, alpha(step), rows, place * k);
      holds[place] = step;
    }
    return place * k;
  };
  return {
    steps,
    cells: k,
    weighs: (cell) => cells[cell]!.weight > 0,
    of: (step, cell) => rows[at(step) + cell]!,
    row(step) {
      const start = at(step);
      return Array.from(rows.subarray(start, start + k), (units) => units / unit);
    },
  };
}
