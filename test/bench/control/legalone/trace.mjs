// Where the time of a hand-over goes: serve and agent run with their functions timed from outside.
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { segmentsOf } from "../trace/segments.mjs";
import { marksOf } from "./chain.mjs";
import { openWorkspace } from "./workspace.mjs";

const register = new URL("../trace/register.mjs", import.meta.url).href;

/**
 * Runs a chain of `steps` stages three times after one that is not counted. The timing itself costs about a tenth.
 * @returns milliseconds of each segment of each hand-over, by the segment's name
 */
export async function traceLegalone({ steps }) {
  const file = join(tmpdir(), `legalone-bench-trace-${process.pid}.jsonl`);
  const workspace = openWorkspace({ NODE_OPTIONS: `--import=${register}`, LEGALONE_TRACE: file });
  const runs = [];
  try {
    await workspace.up();
    for (let i = 0; i < 4; i++) {
      const { run } = await workspace.submit(workspace.chain(steps, `t${i}`));
      await workspace.ended(run);
      if (i > 0) runs.push(await marksOf(workspace, run));
    }
  } finally {
    delete process.env.NODE_OPTIONS;
    await workspace.close();
  }
  const calls = readFileSync(file, "utf8").trim().split("\n").map(JSON.parse);
  rmSync(file);
  return collect(calls, runs);
}

function collect(calls, runs) {
  calls.sort((a, b) => a.from - b.from);
  const segments = {};
  let missed = 0;
  for (const marks of runs)
    for (const [i, next] of marks.slice(1).entries()) {
      const old = marks[i];
      const near = calls.filter(({ from, to }) => to >= old.end / 1e6 - 5 && from <= next.begin / 1e6 + 100);
      const found = segmentsOf(near, old, next);
      if (found === undefined) missed++;
      for (const [name, ms] of found ?? []) segments[name] = [...(segments[name] ?? []), ms];
    }
  return { segments, missed };
}
