import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import type { PackedCell } from "../../recipe/cell-weights.ts";

/** What an order needs to know of packed data. */
export interface PackedCells {
  /** Tokens a model sees of a sequence; an entry of data.bin has one more. */
  sequenceLength: number;
  cells: PackedCell[];
}

/** Reads <folder>/cells.json. Throws E_DATA where it is missing or not of the documented form. */
export function readPackedCells(folder: string): PackedCells {
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
  const { sequenceLength, cells } = value as Partial<PackedCells>;
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
  return { sequenceLength: sequenceLength!, cells };
}

function isCell(value: unknown): value is PackedCell {
  const { group, band, first, sequences, tokens } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof group === "string" &&
    typeof band === "string" &&
    [first, sequences, tokens].every((n) => Number.isInteger(n) && Number(n) >= 0)
  );
}
