import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { canonicalJson, sha256 } from "../../core/hash.ts";
import {
  littleEndian,
  type OrderEnd,
  type OrderSpec,
  passWarnings,
  type StepPlan,
  streamOrder,
} from "../../recipe/order.ts";
import { Columns } from "./columns.ts";
import { writeOrderIndex } from "./order-index.ts";
import type { PackedLayout, PackedRun } from "./packed-cells.ts";

/** All that an order folder holds. */
export const orderFiles = ["order.json", "order.rows.bin", "order.idx"];

/** What order.json holds. */
export interface OrderFile extends Omit<OrderSpec, "cells">, OrderEnd {
  sequenceLength: number;
  cells: { group: string; band: string; weight: number; sequences: number; first: number }[];
  /** Hash of everything the order was made from; a folder with the same one is used again. */
  specSha256: string;
  /** Where the rows of several packed folders lie, and how many each has; absent for one folder. */
  runs?: PackedRun[];
  parts?: number[];
  perStep: { lr: number[]; alpha: number[]; p: number[][]; count: number[][] };
  warnings: string[];
}

/**
 * Writes order.rows.bin, order.idx and order.json into `folder`: first into a temporary folder beside it, then renamed.
 * A folder with the same spec is left as it is. `onStep` is called after each step.
 */
export function writeOrderFolder(
  folder: string,
  spec: OrderSpec,
  packed: PackedLayout,
  onStep: (step: number) => void = () => {},
): Omit<OrderFile, "perStep"> {
  const { sequenceLength, runs, parts } = packed;
  const first = packed.cells.map((cell) => cell.first);
  const split = parts.length > 1 ? { runs, parts } : {};
  const specSha256 = sha256(canonicalJson({ ...spec, first, sequenceLength, ...split }));
  const present = readOrderFile(folder);
  if (present?.specSha256 === specSha256) return present;

  const temporary = `${folder}.tmp-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const rowsFile = join(temporary, "order.rows.bin");
  const perStep = new Columns(join(temporary, "per-step"), ["lr", "alpha", "p", "count"]);
  const { passes, orderSha256 } = writeRows(rowsFile, spec, first, (plan) => {
    perStep.add(plan);
    onStep(plan.step);
  });
  writeOrderIndex(join(temporary, "order.idx"), rowsFile, spec.steps * spec.batch, packed);
  const { cells, ...rest } = spec;
  const file: Omit<OrderFile, "perStep"> = {
    ...rest,
    sequenceLength,
    cells: cells.map((cell, i) => ({ ...cell, first: first[i]! })),
    passes,
    orderSha256,
    specSha256,
    ...split,
    warnings: passWarnings(cells, passes),
  };
  writeOrderFile(join(temporary, "order.json"), file, perStep);
  rmSync(folder, { recursive: true, force: true });
  renameSync(temporary, folder);
  return file;
}

function writeOrderFile(path: string, file: object, perStep: Columns<string>): void {
  const descriptor = openSync(path, "w");
  try {
    writeSync(descriptor, `${JSON.stringify(file).slice(0, -1)},"perStep":`);
    perStep.writeTo(descriptor);
    writeSync(descriptor, "}\n");
  } finally {
    closeSync(descriptor);
  }
}

/** order.json of a folder, or null where there is none that can be read. */
export function readOrderFile(folder: string): OrderFile | null {
  const file = join(folder, "order.json");
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as OrderFile;
  } catch {
    return null;
  }
}

function writeRows(
  file: string,
  spec: OrderSpec,
  first: readonly number[],
  onStep: (plan: StepPlan) => void,
): OrderEnd {
  const descriptor = openSync(file, "w");
  const rows = new Uint32Array(spec.batch);
  try {
    return streamOrder(spec, (pairs, plan) => {
      for (let n = 0; n < spec.batch; n++) rows[n] = first[pairs[2 * n]!]! + pairs[2 * n + 1]!;
      writeSync(descriptor, littleEndian(rows));
      onStep(plan);
    });
  } finally {
    closeSync(descriptor);
  }
}
