import type { Chances } from "./chances.ts";
import { unit } from "./pas.ts";

/**
 * The chairman assignment (R. Tijdeman, 1980): gives every item of a schedule to one of k cells so that the count
 * of each cell stays within 1 - 1/(2k-2) of its cumulative target after every single item, 0 for one cell.
 * Item n goes, among the cells with target(n) - count >= 1/(2k-2), to the one with the earliest deadline:
 * the first n' with target(n') - count >= 1 - 1/(2k-2) on the known schedule.
 *
 * Every step has `batch` items. The first call gives the cells of step `from`, each next call those of the step after it,
 * in `out` (length `batch`); targets and counts are 0 before step `from`.
 *
 * All numbers are whole: units are multiplied by 2k-2, and targets are kept relative to counts, so that they stay
 * below 2^53 however long the schedule is.
 */
export function chairman(given: Chances, batch: number, from: number): (out: Uint16Array) => void {
  const { steps } = given;
  const served = servedCells(given, from);
  if (served.length === 1) return (out) => void out.fill(served[0]!);

  const scale = 2 * served.length - 2;
  const whole = unit * scale;
  const count = served.length;
  /** target(n) - count of each cell. */
  const ahead = new Float64Array(count);
  /** Look-ahead of each cell: the step its deadline falls in, what it still needs from that step's start on, the deadline. */
  const pointer = new Float64Array(count).fill(from);
  const needed = new Float64Array(count).fill(whole - unit);
  const deadline = new Float64Array(count);
  const gain = new Float64Array(count);

  const lookAhead = (i: number) => {
    const column = served[i]!;
    let step = pointer[i]!;
    let rest = needed[i]!;
    for (; step < steps; step++) {
      const gained = batch * given.of(step, column) * scale;
      if (rest <= gained) break;
      rest -= gained;
    }
    pointer[i] = step;
    needed[i] = rest;
    deadline[i] =
      step === steps
        ? Number.POSITIVE_INFINITY
        : step * batch + divideUp(rest, given.of(step, column) * scale);
  };
  for (let i = 0; i < count; i++) lookAhead(i);

  let step = from;
  return (out) => {
    for (let i = 0; i < count; i++) gain[i] = given.of(step, served[i]!) * scale;
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

/** Cells that have a probability at any step from `from` on; the others do not count in k. */
function servedCells(given: Chances, from: number): number[] {
  let open = Array.from({ length: given.cells }, (_, cell) => cell).filter(given.weighs);
  const served: number[] = [];
  for (let step = from; step < given.steps && open.length > 0; step++) {
    served.push(...open.filter((cell) => given.of(step, cell) > 0));
    open = open.filter((cell) => given.of(step, cell) === 0);
  }
  return served.sort((a, b) => a - b);
}

/** The smallest q with q * divisor >= value; a rounded quotient may be one too small. */
function divideUp(value: number, divisor: number): number {
  const q = Math.floor(value / divisor);
  return q * divisor < value ? q + 1 : q;
}
