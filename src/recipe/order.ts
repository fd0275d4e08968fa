import { createHash } from "node:crypto";
import { LegaloneError } from "../core/errors.ts";
import { type Chances, chances } from "./chances.ts";
import { permutation } from "./feistel.ts";
import type { Cell, PasOptions } from "./pas.ts";
import { type Amendment, type Segment, segmentsOf } from "./segments.ts";
import { chairman } from "./tijdeman.ts";
import { learningRate, scheduleProblem, type WsdSchedule } from "./wsd.ts";

export interface OrderCell extends Cell {
  /** Sequences that the cell holds. */
  sequences: number;
}

/** Everything the order depends on. */
export interface OrderSpec extends PasOptions {
  steps: number;
  /** Sequences of a step over all ranks and accumulation. */
  batch: number;
  schedule: WsdSchedule;
  cells: OrderCell[];
  seed: number;
  /** Changes of the options above at later steps, in order. */
  amendments?: Amendment[];
}

export interface StepPlan {
  step: number;
  lr: number;
  /** lr / max. */
  alpha: number;
  /** Probability of each cell, a multiple of 2^-40. */
  p: number[];
  /** Sequences of each cell in this step. */
  count: number[];
}

/** What is known at the end of an order. */
export interface OrderEnd {
  /** How often each cell is gone through: consumed / sequences. */
  passes: number[];
  /** SHA-256 over (cell, index) pairs as little-endian uint32, in consumption order. */
  orderSha256: string;
}

export interface OrderSummary extends OrderEnd {
  steps: StepPlan[];
}

/** Passes over a cell from which repeated data costs more than it brings. */
export const passWarning = 4;

/** Called after each step with its (cell, index) pairs, `2 * batch` numbers; the array is used again. */
export type StepSink = (pairs: Uint32Array, plan: StepPlan) => void;

/**
 * Computes the order of a PAS schedule: which sequence of which cell every place of every step takes.
 * Inside a cell: seeded permutations without replacement, one a pass; they go on over amendments, while targets and counts
 * begin again. Nothing is kept of a step that was given to `sink`, so memory does not grow with the order.
 * Throws E_CONFIG for a spec that has no order.
 */
export function streamOrder(spec: OrderSpec, sink: StepSink): OrderEnd {
  const segments = checkSpec(spec);
  const { cells, batch, seed } = spec;
  const taken = new Float64Array(cells.length);
  const shuffles = cells.map(({ sequences }, cell) => shuffled(sequences, seed, cell));
  const places = new Uint16Array(batch);
  const pairs = new Uint32Array(2 * batch);
  const hash = createHash("sha256");
  for (const segment of segments) {
    const given = chancesOf(spec, segment);
    const next = chairman(given, batch, segment.from);
    for (let step = segment.from; step < segment.to; step++) {
      const count = new Array<number>(cells.length).fill(0);
      next(places);
      for (let n = 0; n < batch; n++) {
        const cell = places[n]!;
        pairs[2 * n] = cell;
        pairs[2 * n + 1] = shuffles[cell]!(taken[cell]!++);
        count[cell]!++;
      }
      hash.update(littleEndian(pairs));
      sink(pairs, { step, ...rateAt(spec, step), p: given.row(step), count });
    }
  }
  return {
    passes: cells.map(({ sequences }, i) => (sequences === 0 ? 0 : taken[i]! / sequences)),
    orderSha256: hash.digest("hex"),
  };
}

/** `streamOrder` with every step kept. */
export function planOrder(spec: OrderSpec, sink: StepSink = () => {}): OrderSummary {
  const steps: StepPlan[] = [];
  const end = streamOrder(spec, (pairs, plan) => {
    steps.push(plan);
    sink(pairs, plan);
  });
  return { ...end, steps };
}

/**
 * Probabilities of a segment. They are those of its options up to the end of the schedule: an amendment does not change
 * what was drawn before it, so that the order of a fork begins as the order that it leaves.
 */
function chancesOf(spec: OrderSpec, { cells, lambda, hold }: Segment): Chances {
  return chances(cells, { lambda, hold }, spec.steps, (step) => rateAt(spec, step).alpha);
}

function rateAt({ schedule, steps }: OrderSpec, step: number): Pick<StepPlan, "lr" | "alpha"> {
  const lr = learningRate(schedule, steps, step);
  return { lr, alpha: lr / schedule.max };
}

/** A sentence for every cell that is gone through too often. */
export function passWarnings(
  cells: readonly Cell[],
  passes: readonly number[],
  limit = passWarning,
): string[] {
  return cells.flatMap(({ group, band }, i) =>
    passes[i]! > limit
      ? [`${group}/${band} is gone through ${passes[i]!.toFixed(1)} times; over ${limit} repeats data`]
      : [],
  );
}

/** The segments; the limits are those of the formats that carry the order. */
function checkSpec(spec: OrderSpec): Segment[] {
  const fail = (message: string): never => {
    throw new LegaloneError("E_CONFIG", message);
  };
  const whole = { steps: spec.steps, batch: spec.batch, seed: spec.seed };
  const { warmup, decay, max } = spec.schedule;
  for (const [name, value] of Object.entries({ ...whole, warmup, decay })) {
    const least = name === "steps" || name === "batch" ? 1 : 0;
    if (!Number.isSafeInteger(value) || value < least)
      fail(`${name} is ${value}; expected a whole number, ${least} or more`);
  }
  if (spec.steps >= 2 ** 31) fail(`${spec.steps} steps; an order has fewer than 2^31`);
  if (!(Number.isFinite(max) && max > 0)) fail(`max is ${max}; expected a rate above 0`);
  const problem = scheduleProblem(spec.schedule, spec.steps);
  if (problem) fail(problem);
  for (const { group, band, sequences } of spec.cells) {
    if (!Number.isSafeInteger(sequences) || sequences < 0)
      fail(`${group}/${band} has ${sequences} sequences; expected a whole number`);
    if (sequences >= 2 ** 32)
      fail(`${group}/${band} has ${sequences} sequences; an order names fewer than 2^32`);
  }
  if (spec.cells.length > 1024) fail(`${spec.cells.length} cells; at most 1024 are counted exactly`);
  return segmentsOf(spec);
}

/** The sequence that the cell gives when it is asked for the `n`th time. Must be asked for 0, 1, 2, … in turn. */
function shuffled(sequences: number, seed: number, cell: number): (n: number) => number {
  let pass = -1;
  let shuffle: (index: number) => number = () => 0;
  return (n) => {
    const place = n % sequences;
    if (place === 0) shuffle = permutation(sequences, seed, cell, ++pass);
    return shuffle(place);
  };
}

const bigEndianHost = new Uint8Array(new Uint32Array([1]).buffer)[0] === 0;

/** The bytes of `words`, little-endian on every machine. */
export function littleEndian(words: Uint32Array): Buffer {
  const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  return bigEndianHost ? Buffer.from(bytes).swap32() : bytes;
}
