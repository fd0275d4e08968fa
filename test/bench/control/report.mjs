// What was measured, as a table to read.
import { rounded, spread, table } from "./statistics.mjs";

/** Targets of the hand-over between two stages, in ms: from the commit of `result` to the `started` of the next. */
const target = { p50: 60, p95: 150 };

export function chainTable({ machine, steps, submits, chain }) {
  const own = chain.find(({ tool }) => tool === "legalone");
  const ownP50 = own && spread(own.stageMs).p50;
  const header = ["ms", "stage p50", "p95", "x legalone", "submit p50", "p95", "cold", "process a step"];
  const rows = chain.map(({ tool, version, stageMs, submitMs, coldMs, processes }) => {
    const stage = spread(stageMs);
    const submit = spread(submitMs);
    const times = ownP50 ? rounded(stage.p50 / ownP50, 2) : "";
    const name = `${tool} ${version}`;
    return [
      name,
      stage.p50,
      stage.p95,
      times,
      submit.p50,
      submit.p95,
      rounded(coldMs, 0),
      processes ? "yes" : "no",
    ];
  });
  const lines = [
    `\n${steps} empty steps, ${submits} submits, ${machine.cores} cores ${machine.model}, ${machine.gib} GiB\n`,
    "stage: end of a step's body to the begin of the next one's. submit: hand-over of a warm program to the first body\n",
    "(metaflow, snakemake: the command's start included). cold: start of the tool itself, not counted elsewhere.\n\n",
    table([header, ...rows]),
  ];
  if (own) lines.push("\n", commitLine(own));
  return lines.join("");
}

function commitLine({ committedMs, commandMs }) {
  const seen = spread(committedMs);
  const verdict = (name) =>
    `${name} ${seen[name]} ms (target under ${target[name]}: ${seen[name] < target[name] ? "met" : "missed"})`;
  return [
    `legalone, commit of \`result\` to commit of the next \`started\`, database time: ${verdict("p50")}, ${verdict("p95")}\n`,
    `legalone train --detach, the whole command with everything running: ${rounded(commandMs, 0)} ms\n`,
  ].join("");
}

/** The segments of a hand-over in their order. */
export function traceTable({ segments, missed }) {
  const rows = Object.entries(segments).map(([name, values]) => {
    const { n, p50, p95 } = spread(values);
    return [name, n, p50, p95];
  });
  return `\nwhere a hand-over's time goes (${missed} not followed)\n\n${table([["ms", "n", "p50", "p95"], ...rows])}`;
}

/** Many shards in one stage. Growth is the time of a shard in the widest stage over that in the narrowest. */
export function fanOutTable(fanOut) {
  const header = [
    "engine",
    "slots",
    "shards",
    "s",
    "shards/s",
    "growth",
    "events",
    "rows in all",
    "serve MiB",
    "agent MiB",
  ];
  const rows = fanOut.flatMap(({ engine, slots, measured }) =>
    measured.map(({ shards, seconds, shardsPerSecond, rows, serveMib, agentMib }) => {
      const all = Object.values(rows).reduce((sum, count) => sum + count, 0);
      const growth = rounded(measured[0].shardsPerSecond / shardsPerSecond, 2);
      return [engine, slots, shards, seconds, shardsPerSecond, growth, rows.events, all, serveMib, agentMib];
    }),
  );
  return `\none stage in many shards (memory: highest of the process in that stage)\n\n${table([header, ...rows])}`;
}

export function lookLines({ nodes, live, ended, firstMs, idleMs, busyMs }) {
  const verdict = busyMs < 1000 && idleMs.p95 < 1000 ? "met" : "missed";
  return [
    `\none look over ${live} live attempts on ${nodes} simulated nodes (target under 1,000 ms: ${verdict})\n`,
    `  nothing to do: p50 ${idleMs.p50} ms, p95 ${idleMs.p95} ms\n`,
    `  ends ${ended} and opens ${ended}, to rest, bells included: ${busyMs} ms\n`,
    `  opens all ${live} at once: ${firstMs} ms\n`,
  ].join("");
}
