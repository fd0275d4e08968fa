import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";
import { linesOf, runNamed } from "../support/json-lines.ts";

// Real servers, agent and worker processes: a stage in shards, and the stage that reads all of them.

const pipeline = (shards: string, options: string, rest = "") => `
version: 1
name: fan
stages:
  work: {uses: slice-work, shards: ${shards}, with: {${options}}${rest}}
  join: {uses: join-slices, needs: [work]}
`;

interface Line {
  type: string;
  event?: string;
  stage?: string;
  attempts: { shard: number; state: string; epoch: number }[];
  metrics: Record<string, number>;
}

let line: CommandLine;
beforeAll(async () => {
  line = openCommandLine();
  expect((await line.legalone("up")).code).toBe(0);
});
afterAll(() => line.close());

/** Runs a pipeline to its end; the status lines of its stages by name, and everything that was streamed. */
async function train(name: string, text: string) {
  const outcome = await line.legalone("train", line.pipeline(name, text), "--json");
  const stream = linesOf<Line>(outcome);
  const status = linesOf<Line>(await line.legalone("status", runNamed(outcome), "--json"));
  const stage = (wanted: string) => status.find(({ type, stage }) => type === "stage" && stage === wanted)!;
  return { code: outcome.code, stream, stage };
}

describe("a stage in shards", { timeout: 180_000 }, () => {
  test.each(["killed", "unavailable"])("one shard that is %s once is tried again alone", async (fail) => {
    // Means of squares by shard: 8, 13, 4, 9; of all six numbers 55/6. Their plain mean, 8.5, would fail the gate.
    const gate = ", gate: [{metric: mean_square, at_least: 9.1}, {metric: numbers, at_least: 6}]";
    const text = pipeline("4", `numbers: 6, fail: ${fail}, fail_shard: 2`, gate);
    const { code, stage, stream } = await train(fail, text);
    expect(code).toBe(0);
    expect(stage("work").attempts.map(({ shard, state, epoch }) => [shard, state, epoch])).toEqual([
      [0, "SUCCEEDED", 1],
      [1, "SUCCEEDED", 1],
      [2, "SUCCEEDED", 2],
      [3, "SUCCEEDED", 1],
    ]);
    const opened = stream.filter(({ event, stage }) => event === "attempt.opened" && stage === "work");
    expect(opened).toHaveLength(5);
    expect(stage("work").metrics.numbers).toBe(6);
    expect(stage("work").metrics.mean_square).toBeCloseTo(55 / 6, 12);
    expect(stage("join").metrics).toEqual({ parts: 4, numbers: 6 });
  });

  test("an error of the user ends the stage, and its reader does not run", async () => {
    const { code, stage } = await train("crash", pipeline("3", "fail: crash, fail_shard: 1"));
    expect(code).toBe(4);
    expect(stage("work").attempts.find(({ shard }) => shard === 1)).toMatchObject({
      state: "FAILED",
      epoch: 1,
    });
    expect(stage("join")).toMatchObject({ state: "CANCELLED" });
  });
});
