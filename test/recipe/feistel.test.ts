import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation } from "../../src/recipe/feistel.ts";

const key = { seed: fc.nat(), cell: fc.nat(99), pass: fc.nat(99) };

describe("permutation", () => {
  it("is a bijection for every n", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), key.seed, key.cell, key.pass, (n, seed, cell, pass) => {
        const shuffle = permutation(n, seed, cell, pass);
        const seen = new Uint8Array(n);
        for (let i = 0; i < n; i++) seen[shuffle(i)]! += 1;
        expect(seen.every((times) => times === 1)).toBe(true);
      }),
    );
  });
  it("stays inside ranges near 2^32", () => {
    const n = 2 ** 32 - 5;
    const shuffle = permutation(n, 1, 2, 3);
    const images = Array.from({ length: 2000 }, (_, i) => shuffle(n - 1 - i));
    expect(new Set(images).size).toBe(2000);
    for (const image of images) expect(Number.isInteger(image) && image >= 0 && image < n).toBe(true);
  });
  it("is another one for another pass, cell or seed", () => {
    const first = (seed: number, cell: number, pass: number) =>
      Array.from({ length: 64 }, (_, i) => permutation(1000, seed, cell, pass)(i)).join();
    expect(new Set([first(1, 0, 0), first(1, 0, 1), first(1, 1, 0), first(2, 0, 0)]).size).toBe(4);
  });
  it("leaves no trace of the index", () => {
    const n = 4096;
    const shuffle = permutation(n, 7, 0, 0);
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (i - (n - 1) / 2) * (shuffle(i) - (n - 1) / 2);
    const correlation = sum / ((n * (n * n - 1)) / 12);
    // The correlation of a random permutation has standard deviation 1/sqrt(n-1): 0.0156.
    expect(Math.abs(correlation)).toBeLessThan(0.06);
  });
});
