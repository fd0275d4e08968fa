import { LegaloneError } from "../core/errors.ts";
import type { OrderCell, OrderSpec } from "./order.ts";
import type { PasOptions } from "./pas.ts";

/** From `step` on other options hold; targets and counts begin again there. */
export interface Amendment extends PasOptions {
  step: number;
  /** Target weight of every cell, in their order. */
  weights: number[];
}

/** Steps `from` up to `to` (not counted in) follow one set of options and are counted by themselves. */
export interface Segment extends PasOptions {
  from: number;
  to: number;
  cells: OrderCell[];
}

/**
 * The segments of an order: one, and one more for every amendment. Weights of each add up to 1.
 * Throws E_CONFIG for amendments that are not one after the other inside the schedule, or whose weights do not fit the cells.
 */
export function segmentsOf(spec: OrderSpec): Segment[] {
  const { amendments = [], steps, cells, lambda, hold } = spec;
  const weights = cells.map(({ weight }) => weight);
  const begins: Amendment[] = [{ step: 0, lambda, hold, weights }, ...amendments];
  return begins.map((one, i): Segment => {
    const where = i === 0 ? "" : `from step ${one.step} on: `;
    const from = one.step;
    const to = begins[i + 1]?.step ?? steps;
    if (!Number.isSafeInteger(from) || from >= to)
      refuse(
        i + 1 < begins.length
          ? `amendments at steps ${from} and ${to}: each has to come after the one before`
          : `an amendment at step ${from}, but the steps are 0 to ${steps - 1}`,
      );
    if (one.weights.length !== cells.length)
      refuse(`${where}${one.weights.length} weights for ${cells.length} cells`);
    if (!(Number.isFinite(one.lambda) && one.lambda >= 0))
      refuse(`${where}lambda is ${one.lambda}; expected 0 or more`);
    return { from, to, lambda: one.lambda, hold: one.hold, cells: weighed(cells, one.weights, where) };
  });
}

/** The segment a step belongs to. */
export function segmentAt(segments: readonly Segment[], step: number): Segment {
  return segments.findLast(({ from }) => from <= step)!;
}

function weighed(cells: readonly OrderCell[], weights: readonly number[], where: string): OrderCell[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const weightsFit = cells.map((cell, i): OrderCell => {
    const { group, band, sequences } = cell;
    const weight = weights[i]!;
    if (!(Number.isFinite(weight) && weight >= 0))
      refuse(`${where}${group}/${band} has weight ${weight}; expected 0 or more`);
    if (weight > 0 && sequences === 0)
      refuse(`${where}${group}/${band} has weight ${weight} but no sequences`);
    return { ...cell, weight: weight / total };
  });
  if (!(total > 0)) refuse(`${where}no cell has a weight above 0: give one in pas.weights, or pack data`);
  return weightsFit;
}

function refuse(message: string): never {
  throw new LegaloneError("E_CONFIG", message);
}
