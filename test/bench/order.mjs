// Speed of the PAS order of a 100-billion-token run: 12.2 million sequences of 8,192 tokens from nine cells.
// `npm run build && node test/bench/order.mjs`
import { planOrder } from "../../dist/recipe/order.js";

const shares = { general: 0.4, legal: 0.4, synthetic: 0.2 };
const bands = { low: 0.3, middle: 0.5, high: 0.2 };
const cells = Object.entries(shares).flatMap(([group, share]) =>
  Object.entries(bands).map(([band, part]) => ({ group, band, weight: share * part, sequences: 1_400_000 })),
);
const spec = {
  steps: 23_842,
  batch: 512,
  lambda: 5,
  hold: "none",
  seed: 42,
  schedule: { warmup: 2000, decay: 4000, max: 3e-4, min: 3e-6, shape: "linear" },
  cells,
};
const start = performance.now();
const { orderSha256 } = planOrder(spec);
const seconds = (performance.now() - start) / 1000;
process.stdout.write(
  `${JSON.stringify({ sequences: spec.steps * spec.batch, cells: cells.length, seconds, orderSha256 })}\n`,
);
