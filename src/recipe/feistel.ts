import { createHash } from "node:crypto";

const rounds = 6;

/**
 * A seeded permutation of 0 … n-1 (n up to 2^32) that needs no table: a Feistel network over the bits of n,
 * walked along its cycle until the value is below n. The domain is less than twice n, so a walk is short.
 * Its key is SHA-256 of "seed/cell/pass".
 */
export function permutation(n: number, seed: number, cell: number, pass: number): (index: number) => number {
  if (n <= 1) return () => 0;
  const bits = Math.ceil(Math.log2(n));
  const leftBits = bits >>> 1;
  const rightBits = bits - leftBits;
  const digest = createHash("sha256").update(`${seed}/${cell}/${pass}`).digest();
  const keys = Int32Array.from({ length: rounds }, (_, round) => digest.readInt32LE(4 * round));
  const leftMask = 2 ** leftBits - 1;
  const rightMask = 2 ** rightBits - 1;

  return (index) => {
    let value = index;
    do {
      let left = value >>> rightBits;
      let right = value & rightMask;
      // The halves may differ by one bit and change places: after an even number of rounds the widths are as before.
      for (let round = 0; round < rounds; round += 2) {
        const first = left ^ (mix(right, keys[round]!) & leftMask);
        const second = right ^ (mix(first, keys[round + 1]!) & rightMask);
        left = first;
        right = second;
      }
      value = ((left << rightBits) | right) >>> 0;
    } while (value >= n);
    return value;
  };
}

/** Avalanche of 32 bits: the finalizer of MurmurHash3 over the half and the round's key. */
function mix(half: number, key: number): number {
  let h = half ^ key;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
