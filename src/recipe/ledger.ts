import { createHash } from "node:crypto";
import { littleEndian } from "./order.ts";

/** H_0: 32 zero bytes. */
export const emptyLedger: Buffer = Buffer.alloc(32);

/** H_t = SHA-256(H_{t-1} || row ids of step t as little-endian uint32): what a run has consumed so far, in order. */
export function extendLedger(previous: Uint8Array, rows: Uint32Array): Buffer {
  return createHash("sha256").update(previous).update(littleEndian(rows)).digest();
}

/** First link of the chain of a fork: SHA-256("fork" || head of the chain it leaves). */
export function forkLedger(previous: Uint8Array): Buffer {
  return createHash("sha256").update("fork").update(previous).digest();
}
