import { unit } from "./pas.ts";

/**
 * The chairman assignment (R. Tijdeman, 1980): gives every item of a schedule to one of k cells so that the count
 * of each cell stays within 1 - 1/(2k-2) of its cumulative target after every single item, 0 for one cell.
 * Item n goes, among the cells with target(n) - count >= 1/(2k-2), to the one with the earliest deadline:
 * the first n' with target(n') - count >= 1 - 1/(2k-2) on the known schedule.
 *
 * `rows` holds steps x k probabilities in units of 2^-40 (pas.ts), step by step; every step has `batch` items.
 * The result gives the next step's cells on each call, in `out` (length `batch`).
 *
 * All numbers are whole: units are multiplied by 2k-2, and targets are kept relative to counts, so that they stay
 * below 2^53 however long the schedule is.
 */
export function chairman(rows: Float64Array, k: number, batch: number): (out: Uint16Array) => void {
  const steps = rows.length / k;
  const served = servedCells(rows, k);
  if (served.length === 1) return (out) => void out.fill(served[0]!);

  const scale = 2 * served.length - 2;
  const whole = unit * scale;
  const count = served.length;
  /** target(n) - count of each cell. */
  const ahead = new Float64Array(count);
  /** Look-ahead of each cell: the step its deadline falls in, what it still needs from that step's start on, the deadline. */
  const pointer = new Float64Array(count);
  const needed = new Float64Array(count).fill(whole - unit);
  const deadline = new Float64Array(count);
  const gain = new Float64Array(count);

  const lookAhead = (i: number) => {
    const column = served[i]!;
    let step = pointer[i]!;
    let rest = needed[i]!;
    while (step < steps && rest > batch * rows[step * k + column]! * scale) {
      rest -= batch * rows[step * k + column]! * scale;
      step++;
    }
    pointer[i] = step;
    needed[i] = rest;
    deadline[i] =
      step === steps
        ? Number.POSITIVE_INFINITY
        : step * batch + divideUp(rest, rows[step * k + column]! * scale);
  };
  for (let i = 0; i < count; i++) lookAhead(i);

  let step = 0;
  return (out) => {
    for (let i = 0; i < count; i++) gain[i] = rows[step * k + served[i]!]! * scale;
    for (let n = 0; n < batch; n++) {
      let best = -1;
      let earliest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < count; i++) {
        ahead[i]! += gain[i]!;
        if (ahead[i]! >= unit && (best < 0 || deadline[i]! < earliest)) {
          best = i;
          earliest = deadline[i]!;
        }
      }
      out[n] = served[best]!;
      ahead[best]! -= whole;
      needed[best]! += whole;
      lookAhead(best);
    }
    step++;
  };
}

/** Cells that have a probability at any step; the others do not count in k. */
function servedCells(rows: Float64Array, k: number): number[] {
  const served = new Set<number>();
  for (let i = 0; i < rows.length && served.size < k; i++) if (rows[i]! > 0) served.add(i % k);
  return [...served].sort((a, b) => a - b);
}

/** The smallest q with q * divisor >= value; a rounded quotient may be one too small. */
function divideUp(value: number, divisor: number): number {
  const q = Math.floor(value / divisor);
  return q * divisor < value ? q + 1 : q;
}
