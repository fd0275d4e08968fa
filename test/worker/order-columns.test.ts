import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Columns } from "../../src/worker/pas-order/columns.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "legalone-columns-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(rows: { p: number[]; lr: number }[]): unknown {
  const columns = new Columns(join(folder, "column"), ["p", "lr"]);
  for (const row of rows) columns.add(row);
  const file = join(folder, "all.json");
  const descriptor = openSync(file, "w");
  columns.writeTo(descriptor);
  closeSync(descriptor);
  return JSON.parse(readFileSync(file, "utf8"));
}

test("columns longer than what is held in memory come out whole, and leave no files", () => {
  // About 3 MB of text in `p`: several times what is held.
  const rows = Array.from({ length: 60_000 }, (_, n) => ({ p: [n / 7, 1 - n / 7, n], lr: 1 / (n + 1) }));
  expect(written(rows)).toEqual({ p: rows.map(({ p }) => p), lr: rows.map(({ lr }) => lr) });
  expect(readdirSync(folder)).toEqual(["all.json"]);
});

test("without a row they are empty", () => {
  expect(written([])).toEqual({ p: [], lr: [] });
});
