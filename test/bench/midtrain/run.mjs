// Mid-training, part by part: `npm run bench:midtrain [-- --only PART --json --sequences N --documents N]`. Every part runs in processes of its own.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

/** By name: gives an object with what was measured; `told` says it in a line. */
const parts = {
  order: {
    // With a number of sequences the order is planned as a stream and not written: a billion would take 28 GB.
    measure: () =>
      node("order.mjs", ...(options.sequences ? [String(Math.ceil(options.sequences / 512)), "plan"] : [])),
    told: ({ sequences, seconds, peakBytes, bytes, orderSha256 }) =>
      `order: ${sequences} sequences planned and ${(bytes / 1e6).toFixed(0)} MB written in ${seconds.toFixed(1)} s, ${(peakBytes / 1e6).toFixed(0)} MB at most, ${orderSha256.slice(0, 16)}`,
    result: ({ seconds, peakBytes }) => ({ seconds, peakBytes }),
  },
  corpus: {
    measure: () => node("corpus.mjs", ...(options.documents ? [options.documents] : [])),
    told: ({ documents, legalone, twoProcesses, datatrove, ratio, load }) =>
      `corpus: ${documents} documents on one core, ${legalone.documentsPerSecond.toFixed(0)} a second cleaned and without duplicates (${legalone.kept} stay), datatrove ${datatrove.documentsPerSecond.toFixed(0)} without duplicates (${datatrove.kept} stay): ${ratio.toFixed(2)} times as many; ours with two processes on all cores ${twoProcesses.documentsPerSecond.toFixed(0)} (load ${load.toFixed(1)})`,
    result: ({ ratio, legalone, twoProcesses, datatrove }) => ({ ratio, legalone, twoProcesses, datatrove }),
  },
  perplexity: {
    measure: () => node("perplexity.mjs"),
    told: ({ ratio, tokensPerSecond, torchTokensPerSecond, documents, difference }) =>
      `perplexity: ${tokensPerSecond.toFixed(0)} tokens/s beside ${torchTokensPerSecond.toFixed(0)} of transformers on torch, ${ratio.toFixed(2)}x; ${documents} documents, largest difference ${difference.toExponential(1)} nats a token`,
    result: ({ ratio, tokensPerSecond, torchTokensPerSecond, difference }) => {
      return { ratio, tokensPerSecond, torchTokensPerSecond, difference };
    },
  },
  train: {
    measure: () => node("train.mjs"),
    told: ({ tokensPerSecond, torchTokensPerSecond, ratio, cpuRatio, load, lossesApartAtMost }) =>
      `train: ${tokensPerSecond.toFixed(0)} tokens/s, torch ${torchTokensPerSecond.toFixed(0)}: ${ratio.toFixed(2)}x (by CPU seconds ${cpuRatio.toFixed(2)}x, load ${load.toFixed(1)}); losses at most ${lossesApartAtMost.toExponential(1)} apart`,
    result: (measured) => measured,
  },
  operators: {
    measure: () => node("operators.mjs"),
    told: (measured) =>
      `operators: ${Object.entries(measured)
        .map(([name, { ms, plainMs }]) => `${name} ${ms.toFixed(1)} ms (plain ${plainMs.toFixed(1)})`)
        .join(", ")}`,
    result: (measured) => measured,
  },
  start: {
    measure: () => node("start.mjs"),
    told: ({ fresh, resumed, cached, load }) =>
      `start: from process start to the first step that is over ${fresh.seconds.toFixed(1)} s fresh, ${resumed.seconds.toFixed(1)} s resumed, ${cached.seconds.toFixed(1)} s resumed with the compile cache (of CPU ${fresh.cpuSeconds.toFixed(1)}, ${resumed.cpuSeconds.toFixed(1)} and ${cached.cpuSeconds.toFixed(1)} s, load ${load.toFixed(1)})`,
    result: (measured) => measured,
  },
};

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
    sequences: { type: "string" },
    documents: { type: "string" },
  },
});
const unknown = options.only.filter((name) => !Object.hasOwn(parts, name));
if (unknown.length > 0) {
  process.stderr.write(`there is no ${unknown.join(", ")}; --only takes ${Object.keys(parts).join(", ")}\n`);
  process.exit(2);
}
const names = options.only.length > 0 ? options.only : Object.keys(parts);
const results = {};
for (const name of names) {
  const measured = parts[name].measure();
  const out = options.json ? process.stderr : process.stdout;
  out.write(`${parts[name].told(measured)}\n`);
  results[name] = parts[name].result(measured);
}
// Of one part its own numbers; of several an object by part.
if (options.json)
  process.stdout.write(`${JSON.stringify(names.length === 1 ? results[names[0]] : results)}\n`);

function node(file, ...words) {
  const { status, stdout } = spawnSync(process.execPath, [join(import.meta.dirname, file), ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) process.exit(1);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}
