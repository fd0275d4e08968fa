import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { littleEndian } from "../../recipe/order.ts";
import type { PackedLayout } from "./packed-cells.ts";

const indexMagic = "MMIDIDX\0\0";
/** Megatron's code of int32. */
const int32Code = 4;

/** Rows that are turned into index entries at once: 8 MB of pointers. */
const chunkRows = 1 << 20;

/**
 * Megatron's index, version 1, over data.bin: one entry of S+1 int32 tokens for each consumed row, in order. Of several
 * packed folders it is the index over their data.bin files one after the other.
 */
export function writeOrderIndex(file: string, rowsFile: string, count: number, packed: PackedLayout): void {
  const tokens = packed.sequenceLength + 1;
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
    writePointers(descriptor, rowsFile, count, entryOf(packed), 4 * tokens);
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

/** Place of a row among the entries of all data.bin files. Rows come in any order. */
function entryOf({ runs, parts }: PackedLayout): (row: number) => number {
  const starts = parts.map((_, part) => parts.slice(0, part).reduce((sum, rows) => sum + rows, 0));
  return (row) => {
    let low = 0;
    let high = runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (runs[middle]!.row <= row) low = middle;
      else high = middle - 1;
    }
    const run = runs[low]!;
    return starts[run.part]! + run.first + row - run.row;
  };
}

function writePointers(
  descriptor: number,
  rowsFile: string,
  count: number,
  entry: (row: number) => number,
  entryBytes: number,
): void {
  const source = openSync(rowsFile, "r");
  try {
    forChunks(count, (start, length) => {
      const rows = Buffer.alloc(4 * length);
      readSync(source, rows, 0, rows.length, 4 * start);
      writeSync(
        descriptor,
        int64s(length, (i) => entry(rows.readUInt32LE(4 * i)) * entryBytes),
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
