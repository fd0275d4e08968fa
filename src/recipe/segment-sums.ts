import { type OrderSpec, streamOrder } from "./order.ts";
import { type Segment, segmentAt, segmentsOf } from "./segments.ts";

/** A segment, and what its steps take together. */
export interface SegmentSum extends Segment {
  /** Sequences of each cell. */
  taken: number[];
  /** The same as the probabilities ask for. */
  target: number[];
  /** The farthest that any cumulative count is from its target at the end of a step. */
  farthest: number;
}

/** Counts of every segment by itself: computed from the order, not from the promise it makes. */
export function segmentSums(spec: OrderSpec): SegmentSum[] {
  const none = () => new Array<number>(spec.cells.length).fill(0);
  const sums = segmentsOf(spec).map((one): SegmentSum => {
    return { ...one, taken: none(), target: none(), farthest: 0 };
  });
  streamOrder(spec, (_, { step, p, count }) => {
    const sum = segmentAt(sums, step) as SegmentSum;
    for (const [i, taken] of count.entries()) {
      sum.taken[i]! += taken;
      sum.target[i]! += p[i]! * spec.batch;
      sum.farthest = Math.max(sum.farthest, Math.abs(sum.taken[i]! - sum.target[i]!));
    }
  });
  return sums;
}
