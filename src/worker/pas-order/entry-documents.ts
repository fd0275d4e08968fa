import { closeSync, createReadStream, existsSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { PackedLayout, PackedRun } from "./packed-cells.ts";

/** Documents `first` to `last` of a cell in one packed folder, counted from 0. */
interface Span {
  part: number;
  first: number;
  last: number;
}

/** A row of an order, and the cell it is in. */
export interface CellRow {
  group: string;
  band: string;
  row: number;
}

/**
 * Ids of the documents whose tokens each row holds, in the order of `rows`. documents.bin of a packed folder has their
 * numbers, scores.jsonl their ids; that file is read once, line by line. null where a folder has no documents.bin.
 */
export async function documentsOf(
  rows: readonly CellRow[],
  folders: readonly string[],
  layout: PackedLayout,
): Promise<string[][] | null> {
  if (!folders.every((folder) => existsSync(join(folder, "documents.bin")))) return null;
  const spans = rows.map(({ row }) => spanOf(row, folders, layout.runs));
  const ids = rows.map((): string[] => []);
  for (const [part, folder] of folders.entries()) {
    const wanted = new Map<string, { at: number; span: Span }[]>();
    for (const [at, span] of spans.entries()) {
      if (span.part !== part) continue;
      const cell = `${rows[at]!.group}/${rows[at]!.band}`;
      wanted.set(cell, [...(wanted.get(cell) ?? []), { at, span }]);
    }
    if (wanted.size > 0) await collect(join(folder, "scores.jsonl"), wanted, ids);
  }
  return ids;
}

async function collect(
  file: string,
  wanted: ReadonlyMap<string, { at: number; span: Span }[]>,
  ids: string[][],
): Promise<void> {
  const seen = new Map<string, number>();
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { id, group, band } = JSON.parse(line) as { id: string; group: string; band: string };
    const cell = `${group}/${band}`;
    const number = seen.get(cell) ?? 0;
    seen.set(cell, number + 1);
    for (const { at, span } of wanted.get(cell) ?? [])
      if (span.first <= number && number <= span.last) ids[at]!.push(id);
  }
}

function spanOf(row: number, folders: readonly string[], runs: readonly PackedRun[]): Span {
  const { part, first, row: begins } = runs.findLast((run) => run.row <= row)!;
  const descriptor = openSync(join(folders[part]!, "documents.bin"), "r");
  const bytes = Buffer.alloc(8);
  try {
    readSync(descriptor, bytes, 0, 8, 8 * (first + row - begins));
  } finally {
    closeSync(descriptor);
  }
  return { part, first: bytes.readUInt32LE(0), last: bytes.readUInt32LE(4) };
}
