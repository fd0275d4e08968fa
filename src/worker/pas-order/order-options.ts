import { LegaloneError } from "../../core/errors.ts";
import { cellWeights, emptyWeights, unknownWeights, type WrittenWeights } from "../../recipe/cell-weights.ts";
import type { OrderSpec } from "../../recipe/order.ts";
import type { PasOptions } from "../../recipe/pas.ts";
import type { Amendment } from "../../recipe/segments.ts";
import type { WsdSchedule } from "../../recipe/wsd.ts";
import type { PackedCells } from "./packed-cells.ts";

/** The options of a mid-training stage that decide its order. */
export interface OrderOptions {
  pas: PasOptions & {
    weights?: WrittenWeights;
    max_passes?: number;
    seed?: number | null;
    amendments?: WrittenAmendment[];
  };
  schedule: WsdSchedule;
  batch: number;
  /** Either `steps` or `tokens`. */
  steps?: number | null;
  tokens?: number | null;
}

/** From `step` on these hold; what is not named stays as it was. */
export interface WrittenAmendment extends Partial<PasOptions> {
  step: number;
  weights?: WrittenWeights;
}

/** Steps of a training stage: as written, or as many as `tokens` need (the last step goes over rather than under). */
export function stepsOf(
  { steps, tokens, batch }: Pick<OrderOptions, "steps" | "tokens" | "batch">,
  sequenceLength: number,
): number {
  if (steps) return steps;
  if (tokens) return Math.ceil(tokens / (batch * sequenceLength));
  throw new LegaloneError("E_CONFIG", "neither `steps` nor `tokens` is given", {
    hint: "set one of them in `with`",
  });
}

/** The order spec of packed data under the options of the stage. */
export function orderSpecOf(options: OrderOptions, packed: PackedCells, seed: number): OrderSpec {
  const { lambda, hold, seed: own, amendments = [] } = options.pas;
  const weights = weightsOf(packed, options.pas.weights);
  const { warmup, decay, max, min, shape } = options.schedule;
  return {
    steps: stepsOf(options, packed.sequenceLength),
    batch: options.batch,
    lambda,
    hold,
    seed: own ?? seed,
    schedule: { warmup, decay, max, min, shape },
    cells: packed.cells.map(({ group, band, sequences }, i) => ({
      group,
      band,
      weight: weights[i]!,
      sequences,
    })),
    ...(amendments.length > 0 ? { amendments: amended({ lambda, hold, weights }, amendments, packed) } : {}),
  };
}

function amended(
  base: Omit<Amendment, "step">,
  written: readonly WrittenAmendment[],
  packed: PackedCells,
): Amendment[] {
  let last = base;
  return written.map(({ step, lambda = last.lambda, hold = last.hold, weights }) => {
    last = { lambda, hold, weights: weights ? weightsOf(packed, weights) : last.weights };
    return { step, ...last };
  });
}

/** Weight of every cell. Throws E_CONFIG where names or weights do not fit the data. */
function weightsOf(packed: PackedCells, written: WrittenWeights | undefined): number[] {
  // A group that was scored and has no sequence may be named with 0, and has to be.
  const bare = (packed.groups ?? []).filter((group) =>
    packed.cells.every((cell) => cell.group !== group || cell.sequences === 0),
  );
  const left = bare.filter((group) => written?.[group] === undefined);
  if (left.length > 0) {
    throw new LegaloneError(
      "E_CONFIG",
      `${left.join(", ")} has documents but no sequence: its share would go to the other groups`,
      { hint: `pack more of its documents, or write pas.weights: {${left[0]}: 0}` },
    );
  }
  const unknown = unknownWeights(packed.cells, written).filter(
    (name) => !(bare.includes(name) && written?.[name] === 0),
  );
  if (unknown.length > 0) {
    const known = packed.cells.map(({ group, band }) => `${group}.${band}`).join(", ");
    throw new LegaloneError(
      "E_CONFIG",
      `pas.weights names ${unknown.join(", ")}, but the data has ${known}`,
      {
        hint: "take these names out of pas.weights, or pack data for them",
      },
    );
  }
  const empty = emptyWeights(packed.cells, written);
  if (empty.length > 0) {
    throw new LegaloneError(
      "E_CONFIG",
      `pas.weights gives a weight to ${empty.join(", ")}, which has no sequences`,
      { hint: "write 0 or leave it out, or pack data for it" },
    );
  }
  return cellWeights(packed.cells, written);
}

/** The cells that would be gone through more than `max_passes` times, each with its number; none without a limit. */
export function passesOver(
  { cells }: Pick<OrderSpec, "cells">,
  passes: readonly number[],
  maxPasses: number | undefined,
): string[] {
  if (maxPasses === undefined) return [];
  return cells.flatMap(({ group, band }, i) =>
    passes[i]! > maxPasses ? [`${group}/${band} ${passes[i]!.toFixed(1)}`] : [],
  );
}

/** Throws E_PLAN_REFUSED where `passesOver` found any. */
export function refusePasses(over: readonly string[], maxPasses: number | undefined): void {
  if (over.length === 0) return;
  throw new LegaloneError("E_PLAN_REFUSED", `passes over max_passes ${maxPasses}: ${over.join(", ")}`, {
    hint: "train on fewer tokens, give these cells less weight, add data, or raise pas.max_passes",
  });
}
