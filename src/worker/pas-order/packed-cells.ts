import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import type { PackedCell } from "../../recipe/cell-weights.ts";

/** What an order needs to know of packed data. */
export interface PackedCells {
  /** Tokens a model sees of a sequence; an entry of data.bin has one more. */
  sequenceLength: number;
  cells: PackedCell[];
  /** Groups whose documents were scored; one may have no sequence. */
  groups?: string[];
}

/** `sequences` rows from `row` on that lie one after the other in part `part`, there from row `first` on. */
export interface PackedRun {
  row: number;
  part: number;
  first: number;
  sequences: number;
}

/** Packed folders read as one. Rows are numbered cell after cell; packed.py numbers the same way. */
export interface PackedLayout extends PackedCells {
  runs: PackedRun[];
  /** Rows of each folder. */
  parts: number[];
}

/**
 * Reads cells.json of packed folders, the shards of a stage in order. A cell holds its sequences of the first folder,
 * then of the second, …; cells come in the order in which the folders name them. With one folder that is the folder.
 * Throws E_DATA where a file is missing, not of the documented form, or of another sequence length than the first.
 */
export function readPackedLayout(folders: readonly string[]): PackedLayout {
  const parts = folders.map(readPackedCells);
  const lengths = new Set(parts.map(({ sequenceLength }) => sequenceLength));
  if (lengths.size !== 1) {
    throw new LegaloneError(
      "E_DATA",
      lengths.size === 0
        ? "an order needs packed data, and there is none"
        : `packed data of one order has one sequence length; saw ${[...lengths].join(", ")}`,
      { hint: "packed data is made by the stage kind `perplexity`" },
    );
  }
  refuseOtherInputs(folders);
  const rows = parts.map(({ cells }) => cells.reduce((sum, { sequences }) => sum + sequences, 0));
  const all = rows.reduce((sum, count) => sum + count, 0);
  if (all >= 2 ** 32) {
    throw new LegaloneError("E_DATA", `${all} sequences are packed; a row id names fewer than 2^32`, {
      hint: "pack longer sequences, or fewer documents",
    });
  }
  const groups = [...new Set(parts.flatMap((part) => part.groups ?? []))];
  return { sequenceLength: parts[0]!.sequenceLength, groups, ...joinCells(parts), parts: rows };
}

function joinCells(parts: readonly PackedCells[]): { cells: PackedCell[]; runs: PackedRun[] } {
  const found = new Map<string, { part: number; cell: PackedCell }[]>();
  for (const [part, { cells }] of parts.entries()) {
    for (const cell of cells) {
      const key = JSON.stringify([cell.group, cell.band]);
      found.set(key, [...(found.get(key) ?? []), { part, cell }]);
    }
  }
  const cells: PackedCell[] = [];
  const runs: PackedRun[] = [];
  let row = 0;
  for (const members of found.values()) {
    const { group, band } = members[0]!.cell;
    const joined = { group, band, first: row, sequences: 0, tokens: 0 };
    for (const { part, cell } of members) {
      const { first, sequences } = cell;
      if (sequences > 0) runs.push({ row, part, first, sequences });
      joined.sequences += sequences;
      joined.tokens += cell.tokens;
      row += sequences;
    }
    cells.push(joined);
  }
  return { cells, runs };
}

/** Reads <folder>/cells.json. Throws E_DATA where it is missing or not of the documented form. */
function readPackedCells(folder: string): PackedCells {
  const file = join(folder, "cells.json");
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new LegaloneError(
      "E_DATA",
      `${file} cannot be read as JSON: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
        hint: "packed data is made by the stage kind `perplexity`",
      },
    );
  }
  const { sequenceLength, cells, thresholds } = value as Partial<PackedCells> & { thresholds?: object };
  if (
    !Number.isInteger(sequenceLength) ||
    !Array.isArray(cells) ||
    cells.length === 0 ||
    !cells.every(isCell)
  ) {
    throw new LegaloneError(
      "E_DATA",
      `${file} does not describe packed data: expected sequenceLength and cells of {group, band, first, sequences, tokens}`,
    );
  }
  return { sequenceLength: sequenceLength!, cells, groups: Object.keys(thresholds ?? {}) };
}

/** Shards of one stage were made from the same corpus and model: their manifests say so. @throws E_DATA */
function refuseOtherInputs(folders: readonly string[]): void {
  const made = folders.map((folder) => ({ folder, inputs: inputsOf(folder) })).filter(({ inputs }) => inputs);
  const other = made.find(({ inputs }) => inputs !== made[0]!.inputs);
  if (!other) return;
  throw new LegaloneError(
    "E_DATA",
    `${other.folder} was made from other inputs (corpus, model) than ${made[0]!.folder}`,
    { hint: "a shard of another corpus does not belong to this data; name the shards of one stage" },
  );
}

/** Content hashes that a folder's manifest names as its inputs, as one text; null without a manifest. */
function inputsOf(folder: string): string | null {
  try {
    const { parents } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
      parents?: string[];
    };
    return parents ? JSON.stringify(parents) : null;
  } catch {
    return null;
  }
}

function isCell(value: unknown): value is PackedCell {
  const { group, band, first, sequences, tokens } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof group === "string" &&
    typeof band === "string" &&
    [first, sequences, tokens].every((n) => Number.isInteger(n) && Number(n) >= 0)
  );
}
