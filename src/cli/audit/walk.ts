import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import type { WalkedOrder } from "../../recipe/audit.ts";
import { littleEndian, type OrderSpec, streamOrder } from "../../recipe/order.ts";
import type { OrderFile } from "../../worker/pas-order/order-folder.ts";

/** An order computed from its spec. `first`: row id of each cell's first sequence. */
export function walkSpec(spec: OrderSpec, first: readonly number[]): WalkedOrder {
  const { steps, batch } = spec;
  return {
    steps,
    batch,
    cells: first.length,
    walk(sink) {
      const rows = new Uint32Array(batch);
      const cells = new Uint16Array(batch);
      return streamOrder(spec, (pairs, { step }) => {
        for (let n = 0; n < batch; n++) {
          cells[n] = pairs[2 * n]!;
          rows[n] = first[pairs[2 * n]!]! + pairs[2 * n + 1]!;
        }
        sink(rows, cells, step);
      }).orderSha256;
    },
  };
}

/** An order as its folder holds it. Walking throws E_DATA where the rows do not have the hash that order.json names. */
export function walkFolder(folder: string, order: OrderFile): WalkedOrder {
  const { steps, batch, cells, orderSha256 } = order;
  const file = join(folder, "order.rows.bin");
  return {
    steps,
    batch,
    cells: cells.length,
    walk(sink) {
      const hash = createHash("sha256");
      const pairs = new Uint32Array(2 * batch);
      const places = new Uint16Array(batch);
      const reader = openRows(file, batch);
      try {
        for (let step = 0; step < steps; step++) {
          const rows = reader.rows(step);
          if (rows === null) throw notThatOrder(file, `it ends before step ${step} of ${steps}`);
          for (const [n, row] of rows.entries()) {
            const cell = cells.findLastIndex(({ first, sequences }) => sequences > 0 && first <= row);
            places[n] = cell;
            pairs[2 * n] = cell;
            pairs[2 * n + 1] = row - cells[cell]!.first;
          }
          hash.update(littleEndian(pairs));
          sink(rows, places, step);
        }
      } finally {
        reader.close();
      }
      const seen = hash.digest("hex");
      if (seen !== orderSha256)
        throw notThatOrder(file, `its order is ${seen}, order.json says ${orderSha256}`);
      return seen;
    },
  };
}

/** Rows of one step at a time; null where the file has no whole step there. */
export function openRows(file: string, batch: number) {
  const descriptor = openSync(file, "r");
  const bytes = Buffer.alloc(4 * batch);
  const rows = new Uint32Array(batch);
  return {
    rows(step: number): Uint32Array | null {
      if (readSync(descriptor, bytes, 0, bytes.length, step * bytes.length) < bytes.length) return null;
      for (let n = 0; n < batch; n++) rows[n] = bytes.readUInt32LE(4 * n);
      return rows;
    },
    close: () => closeSync(descriptor),
  };
}

function notThatOrder(file: string, what: string): LegaloneError {
  return new LegaloneError("E_DATA", `${file} is damaged: ${what}`, {
    hint: "the order can be made again from the packed data: legalone pas order FILE --packed FOLDER --out FOLDER",
  });
}
