import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { canonicalJson, sha256 } from "../../core/hash.ts";
import {
  littleEndian,
  type OrderSpec,
  type OrderSummary,
  passWarnings,
  planOrder,
} from "../../recipe/order.ts";

/** Where a sequence of a cell lies in the packed data. */
export interface OrderTarget {
  /** Row id of each cell's first sequence. */
  first: number[];
  sequenceLength: number;
}

/** What order.json holds. */
export interface OrderFile extends Omit<OrderSpec, "cells">, Omit<OrderSummary, "steps"> {
  sequenceLength: number;
  cells: { group: string; band: string; weight: number; sequences: number; first: number }[];
  /** Hash of everything the order was made from; a folder with the same one is used again. */
  specSha256: string;
  perStep: { lr: number[]; alpha: number[]; p: number[][]; count: number[][] };
  warnings: string[];
}

const indexMagic = "MMIDIDX\0\0";
/** Megatron's code of int32. */
const int32Code = 4;

/**
 * Writes order.rows.bin, order.idx and order.json into `folder`: first into a temporary folder beside it, then renamed.
 * A folder with the same spec is left as it is. `onStep` is called after each step.
 */
export function writeOrderFolder(
  folder: string,
  spec: OrderSpec,
  { first, sequenceLength }: OrderTarget,
  onStep: (step: number) => void = () => {},
): OrderFile {
  const specSha256 = sha256(canonicalJson({ ...spec, first, sequenceLength }));
  const present = readOrderFile(folder);
  if (present?.specSha256 === specSha256) return present;

  const temporary = `${folder}.tmp-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const rowsFile = join(temporary, "order.rows.bin");
  const { steps, passes, orderSha256 } = writeRows(rowsFile, spec, first, onStep);
  writeIndex(join(temporary, "order.idx"), rowsFile, spec.steps * spec.batch, sequenceLength + 1);
  const { cells, ...rest } = spec;
  const file: OrderFile = {
    ...rest,
    sequenceLength,
    cells: cells.map((cell, i) => ({ ...cell, first: first[i]! })),
    passes,
    orderSha256,
    specSha256,
    perStep: {
      lr: steps.map(({ lr }) => lr),
      alpha: steps.map(({ alpha }) => alpha),
      p: steps.map(({ p }) => p),
      count: steps.map(({ count }) => count),
    },
    warnings: passWarnings(cells, passes),
  };
  writeFileSync(join(temporary, "order.json"), `${JSON.stringify(file)}\n`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(temporary, folder);
  return file;
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
  onStep: (step: number) => void,
): OrderSummary {
  const descriptor = openSync(file, "w");
  const rows = new Uint32Array(spec.batch);
  try {
    return planOrder(spec, (pairs, step) => {
      for (let n = 0; n < spec.batch; n++) rows[n] = first[pairs[2 * n]!]! + pairs[2 * n + 1]!;
      writeSync(descriptor, littleEndian(rows));
      onStep(step);
    });
  } finally {
    closeSync(descriptor);
  }
}

/** Rows that are turned into index entries at once: 8 MB of pointers. */
const chunkRows = 1 << 20;

/** Megatron's index, version 1, over data.bin: one entry of `tokens` int32 for each consumed row, in order. */
function writeIndex(file: string, rowsFile: string, count: number, tokens: number): void {
  const descriptor = openSync(file, "w");
  try {
    const header = Buffer.alloc(34);
    header.write(indexMagic, "latin1");
    header.writeBigUInt64LE(1n, 9);
    header.writeUInt8(int32Code, 17);
    header.writeBigUInt64LE(BigInt(count), 18);
    header.writeBigUInt64LE(BigInt(count + 1), 26);
    writeSync(descriptor, header);
    const sizes = new Uint32Array(Math.min(chunkRows, count)).fill(tokens);
    forChunks(count, (_, length) => writeSync(descriptor, littleEndian(sizes.subarray(0, length))));
    writePointers(descriptor, rowsFile, count, 4 * tokens);
    // Each entry is one document: the boundaries are 0, 1, … count.
    forChunks(count + 1, (start, length) =>
      writeSync(
        descriptor,
        int64s(length, (i) => start + i),
      ),
    );
  } finally {
    closeSync(descriptor);
  }
}

function writePointers(descriptor: number, rowsFile: string, count: number, entryBytes: number): void {
  const source = openSync(rowsFile, "r");
  try {
    forChunks(count, (start, length) => {
      const rows = Buffer.alloc(4 * length);
      readSync(source, rows, 0, rows.length, 4 * start);
      writeSync(
        descriptor,
        int64s(length, (i) => rows.readUInt32LE(4 * i) * entryBytes),
      );
    });
  } finally {
    closeSync(source);
  }
}

function forChunks(count: number, each: (start: number, length: number) => void): void {
  for (let start = 0; start < count; start += chunkRows) each(start, Math.min(chunkRows, count - start));
}

/** `length` whole numbers below 2^53 as little-endian int64. */
function int64s(length: number, value: (i: number) => number): Buffer {
  const bytes = Buffer.alloc(8 * length);
  for (let i = 0; i < length; i++) {
    const number = value(i);
    bytes.writeUInt32LE(number % 2 ** 32, 8 * i);
    bytes.writeUInt32LE(Math.floor(number / 2 ** 32), 8 * i + 4);
  }
  return bytes;
}
