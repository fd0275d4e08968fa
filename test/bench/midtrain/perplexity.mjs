// Perplexity of the same documents under the same weights: the scorer of the stage beside transformers on torch.
// Both sort documents by length, in batches of 32, in fp32, on all cores; each pass counts, compiling does not. torch's
// batches are as wide as their longest document, ours as the next of ten widths.
// Processes take turns, so that a busy machine is busy for both. Prints one line of JSON.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The last batch of each width is computed whole: with 500 documents its empty rows are 29 % of all that is computed, with
// these 7 %.
const documents = process.argv[2] ?? "2000";
const rounds = Number(process.argv[3] ?? 2);
const batch = "32";
const passes = "3";
const folder = mkdtempSync(join(tmpdir(), "legalone-perplexity-"));
try {
  python(".venv-test", "perplexity_ours.py", folder, "make", documents);
  const ours = [];
  const torch = [];
  let tokens;
  for (let round = 0; round < rounds; round++) {
    const mine = python(".venv-test", "perplexity_ours.py", folder, batch, passes);
    tokens = mine.tokens;
    ours.push(...mine.seconds);
    torch.push(...python(".venv-torch", "perplexity_torch.py", folder, batch, passes).seconds);
  }
  const difference = largestDifference(readNumbers("ours.npy"), readNumbers("torch.npy"));
  if (!(difference <= 1e-4)) throw new Error(`the two differ by ${difference} nats a token in a document`);
  const rate = (seconds) => tokens / median(seconds);
  process.stdout.write(
    `${JSON.stringify({ ratio: rate(ours) / rate(torch), tokensPerSecond: rate(ours), torchTokensPerSecond: rate(torch), documents: Number(documents), tokens, difference, ours, torch })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function python(venv, file, ...words) {
  const { status, stdout } = spawnSync(
    join(venv, "bin", "python"),
    [join(import.meta.dirname, file), ...words],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  if (status !== 0) throw new Error(`${file} ended with ${status}`);
  return stdout.includes("{") ? JSON.parse(stdout.trim().split("\n").at(-1)) : null;
}

/** fp64 numbers of a .npy file of version 1. */
function readNumbers(name) {
  const bytes = readFileSync(join(folder, name));
  const begin = 10 + bytes.readUInt16LE(8);
  return Array.from({ length: (bytes.length - begin) / 8 }, (_, i) => bytes.readDoubleLE(begin + 8 * i));
}

function largestDifference(one, other) {
  if (one.length === 0 || one.length !== other.length) return Number.NaN;
  return Math.max(...one.map((value, i) => Math.abs(value - other[i])));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
