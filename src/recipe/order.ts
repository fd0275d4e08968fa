import { createHash } from "node:crypto";
import { LegaloneError } from "../core/errors.ts";
import { permutation } from "./feistel.ts";
import { type Cell, type PasOptions, unit, writeProbabilities } from "./pas.ts";
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

export interface OrderSummary {
  steps: StepPlan[];
  /** How often each cell is gone through: consumed / sequences. */
  passes: number[];
  /** SHA-256 over (cell, index) pairs as little-endian uint32, in consumption order. */
  orderSha256: string;
}

/** Passes over a cell from which repeated data costs more than it brings. */
export const passWarning = 4;

/** Called after each step with its (cell, index) pairs, `2 * batch` numbers; the array is used again. */
export type StepSink = (pairs: Uint32Array, step: number) => void;

/**
 * Computes the order of a PAS schedule: which sequence of which cell every place of every step takes.
 * Inside a cell: seeded permutations without replacement, one a pass. Throws E_CONFIG for a spec that has no order.
 */
export function planOrder(spec: OrderSpec, sink: StepSink = () => {}): OrderSummary {
  const { cells, batch } = checkSpec(spec);
  const { steps, rows } = planSteps({ ...spec, cells });
  const next = chairman(rows, cells.length, batch);
  const taken = new Float64Array(cells.length);
  const shuffles = cells.map(({ sequences }, cell) => shuffled(sequences, spec.seed, cell));
  const places = new Uint16Array(batch);
  const pairs = new Uint32Array(2 * batch);
  const hash = createHash("sha256");
  for (const plan of steps) {
    next(places);
    for (let n = 0; n < batch; n++) {
      const cell = places[n]!;
      pairs[2 * n] = cell;
      pairs[2 * n + 1] = shuffles[cell]!(taken[cell]!++);
      plan.count[cell]!++;
    }
    hash.update(littleEndian(pairs));
    sink(pairs, plan.step);
  }
  return {
    steps,
    passes: cells.map(({ sequences }, i) => (sequences === 0 ? 0 : taken[i]! / sequences)),
    orderSha256: hash.digest("hex"),
  };
}

/** Learning rates, alphas and probabilities of every step; counts are still 0. `rows` holds them in units of 2^-40. */
export function planSteps(spec: OrderSpec): { steps: StepPlan[]; rows: Float64Array } {
  const k = spec.cells.length;
  const rows = new Float64Array(spec.steps * k);
  const steps = Array.from({ length: spec.steps }, (_, step): StepPlan => {
    const lr = learningRate(spec.schedule, spec.steps, step);
    const alpha = lr / spec.schedule.max;
    writeProbabilities(spec.cells, spec, alpha, rows, step * k);
    const p = Array.from(rows.subarray(step * k, (step + 1) * k), (units) => units / unit);
    return { step, lr, alpha, p, count: new Array<number>(k).fill(0) };
  });
  return { steps, rows };
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

/** Weights add up to 1; the limits are those of the formats that carry the order. */
function checkSpec(spec: OrderSpec): OrderSpec {
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
  if (!(Number.isFinite(spec.lambda) && spec.lambda >= 0))
    fail(`lambda is ${spec.lambda}; expected 0 or more`);
  if (!(Number.isFinite(max) && max > 0)) fail(`max is ${max}; expected a rate above 0`);
  const problem = scheduleProblem(spec.schedule, spec.steps);
  if (problem) fail(problem);
  for (const { group, band, weight, sequences } of spec.cells) {
    if (!(Number.isFinite(weight) && weight >= 0))
      fail(`${group}/${band} has weight ${weight}; expected 0 or more`);
    if (!Number.isSafeInteger(sequences) || sequences < 0)
      fail(`${group}/${band} has ${sequences} sequences; expected a whole number`);
  }
  const total = spec.cells.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) fail("no cell has a weight above 0: give one in pas.weights, or pack data");
  if (spec.cells.length > 1024) fail(`${spec.cells.length} cells; at most 1024 are counted exactly`);
  for (const { group, band, weight, sequences } of spec.cells) {
    if (weight > 0 && sequences === 0) fail(`${group}/${band} has weight ${weight} but no sequences`);
    if (sequences >= 2 ** 32)
      fail(`${group}/${band} has ${sequences} sequences; an order names fewer than 2^32`);
  }
  return { ...spec, cells: spec.cells.map((cell) => ({ ...cell, weight: cell.weight / total })) };
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
