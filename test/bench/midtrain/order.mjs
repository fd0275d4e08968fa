// The PAS order of a 100-billion-token run, planned and written: 12.2 million sequences of 8,192 tokens from nine cells.
// `order.mjs [steps] [plan]`: of another number of steps; with `plan` every step is computed, hashed and given away, and
// nothing is written. A process of its own, so that its peak of memory is that of the order. Prints one line of JSON.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { streamOrder } from "../../../dist/recipe/order.js";
import { writeOrderFolder } from "../../../dist/worker/pas-order/order-folder.js";

const sequenceLength = 8192;
const batch = 512;
const steps = Number(process.argv[2] ?? 23_842);
const planOnly = process.argv[3] === "plan";
const sequences = Math.ceil((1_400_000 * steps) / 23_842);
const shares = { general: 0.4, legal: 0.4, synthetic: 0.2 };
const bands = { low: 0.3, middle: 0.5, high: 0.2 };
const cells = Object.entries(shares).flatMap(([group, share]) =>
  Object.entries(bands).map(([band, part]) => ({ group, band, weight: share * part, sequences })),
);
const spec = {
  steps,
  batch,
  lambda: 5,
  hold: "none",
  seed: 42,
  schedule: { warmup: 2000, decay: 4000, max: 3e-4, min: 3e-6, shape: "linear" },
  cells,
};
const packed = {
  sequenceLength,
  cells: cells.map(({ group, band }, i) => {
    return { group, band, first: i * sequences, sequences, tokens: sequences * sequenceLength };
  }),
  runs: [{ row: 0, part: 0, first: 0, sequences: cells.length * sequences }],
  parts: [cells.length * sequences],
};
const folder = mkdtempSync(join(tmpdir(), "legalone-order-"));
try {
  const start = performance.now();
  let orderSha256;
  let bytes = 0;
  if (planOnly) ({ orderSha256 } = streamOrder(spec, () => {}));
  else {
    ({ orderSha256 } = writeOrderFolder(join(folder, "order"), spec, packed));
    for (const name of readdirSync(join(folder, "order")))
      bytes += statSync(join(folder, "order", name)).size;
  }
  const seconds = (performance.now() - start) / 1000;
  const peakBytes = 1024 * process.resourceUsage().maxRSS;
  process.stdout.write(
    `${JSON.stringify({ seconds, peakBytes, sequences: steps * batch, cells: cells.length, bytes, orderSha256 })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
