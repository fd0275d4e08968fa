import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { documentsOf } from "../../src/worker/pas-order/entry-documents.ts";
import { readPackedLayout } from "../../src/worker/pas-order/packed-cells.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legalone-documents-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A packed folder of two cells with two rows each; the documents of a cell are mixed with others in scores.jsonl. */
function packed(name: string, spans: [number, number][]): string {
  const folder = join(home, name);
  mkdirSync(folder);
  const cell = (band: string, first: number) => {
    return { group: "legal", band, first, sequences: 2, documents: 3, tokens: 8 };
  };
  writeFileSync(
    join(folder, "cells.json"),
    JSON.stringify({ sequenceLength: 4, cells: [cell("low", 0), cell("high", 2)] }),
  );
  const bytes = Buffer.alloc(8 * spans.length);
  for (const [i, [first, last]] of spans.entries()) {
    bytes.writeUInt32LE(first, 8 * i);
    bytes.writeUInt32LE(last, 8 * i + 4);
  }
  writeFileSync(join(folder, "documents.bin"), bytes);
  const scores = ["low", "dropped", "high", "low", "high", "low", "high"].map((band, n) => {
    return JSON.stringify({ id: `${name}-${n}`, group: "legal", band });
  });
  writeFileSync(join(folder, "scores.jsonl"), `${scores.join("\n")}\n`);
  return folder;
}

test("documents of a row are the ones of its cell, in its shard", async () => {
  const folders = [
    packed("a", [
      [0, 1],
      [1, 2],
      [0, 0],
      [0, 2],
    ]),
    packed("b", [
      [0, 0],
      [2, 2],
      [1, 1],
      [2, 2],
    ]),
  ];
  const layout = readPackedLayout(folders);
  const row = (band: string, row: number) => ({ group: "legal", band, row });
  // Rows are numbered cell after cell: low of a, low of b, high of a, high of b.
  const asked = [row("low", 1), row("high", 5), row("low", 3), row("high", 6), row("low", 1)];
  expect(await documentsOf(asked, folders, layout)).toEqual([
    ["a-3", "a-5"],
    ["a-2", "a-4", "a-6"],
    ["b-5"],
    ["b-4"],
    ["a-3", "a-5"],
  ]);
});

test("packed data of before has no documents to name", async () => {
  const folder = packed("a", []);
  rmSync(join(folder, "documents.bin"));
  const layout = readPackedLayout([folder]);
  expect(await documentsOf([{ group: "legal", band: "low", row: 0 }], [folder], layout)).toBeNull();
});
