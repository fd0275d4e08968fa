// The control plane side by side with others, in one run: `npm run bench:control`. See README.md beside this file.
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchPython } from "./environment.mjs";
import { measureLegalone } from "./legalone/chain.mjs";
import { measureFanOut } from "./legalone/fan-out.mjs";
import { measureLook } from "./legalone/look.mjs";
import { traceLegalone } from "./legalone/trace.mjs";
import { chainTable, fanOutTable, lookLines, traceTable } from "./report.mjs";
import { measureTool, pythonTools } from "./tools/python-tools.mjs";

const parts = ["legalone", ...new Set(pythonTools.map(({ tool }) => tool)), "fan-out", "look"];
const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    steps: { type: "string", default: "20" },
    submits: { type: "string", default: "5" },
    shards: { type: "string", default: "1000,3000,10000" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const unknown = options.only.filter((name) => !parts.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`there is no ${unknown.join(", ")}; --only takes ${parts.join(", ")}\n`);
  process.exit(2);
}
const wants = (name) => options.only.length === 0 || options.only.includes(name);
const size = { steps: Number(options.steps), submits: Number(options.submits) };
const say = (text) => process.stderr.write(`${text}\n`);

const result = {
  machine: { cores: cpus().length, model: cpus()[0]?.model, gib: Math.round(totalmem() / 2 ** 30) },
  steps: size.steps,
  submits: size.submits,
  chain: [],
};
if (wants("legalone")) {
  say("legalone …");
  result.chain.push(await measureLegalone(size));
}
for (const tool of pythonTools.filter(({ tool }) => wants(tool))) {
  say(`${tool.tool} ${tool.mode} …`);
  result.chain.push(await measureTool(tool, { ...size, python: await benchPython() }));
}
if (result.chain.length > 0) process.stdout.write(chainTable(result));
if (options.trace) {
  say("legalone, traced …");
  result.trace = await traceLegalone(size);
  process.stdout.write(traceTable(result.trace));
}
if (wants("fan-out")) {
  const shards = options.shards.split(",").map(Number);
  result.fanOut = [];
  for (const part of [
    { engine: "count", shards, slots: 32 },
    { engine: "process", shards: [Math.min(1000, ...shards)], slots: result.machine.cores },
  ]) {
    say(`fan-out, ${part.shards.join(", ")} shards on the ${part.engine} engine …`);
    result.fanOut.push(await measureFanOut(part));
  }
  process.stdout.write(fanOutTable(result.fanOut));
}
if (wants("look")) {
  say("look …");
  result.look = await measureLook();
  process.stdout.write(lookLines(result.look));
}
if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
