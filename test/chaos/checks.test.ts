import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { type CommittedRow, lineageFaults } from "./checks/lineage.ts";
import { expectedOf } from "./model.ts";
import type { RunPlan, StagePlan } from "./plan/types.ts";

// The checks of the chaos tests find what they are there for.

let folder: string;
let committed: CommittedRow[];

const stage: StagePlan = {
  name: "train",
  needs: [],
  outputs: ["model"],
  shards: 1,
  concurrency: null,
  steps: 6,
  stepMs: 1,
  every: 2,
  keep: 3,
  padKb: 1,
  retry: { infra: 1, user: 1, numeric: 1 },
  gate: null,
  mishaps: [],
  clock: [],
  helper: false,
  deaf: false,
};
const plan: RunPlan = { seed: 11, stages: [stage], submitAt: 0, twice: false };

interface Line {
  type: string;
  kind?: string;
  sha256: string;
  step?: number;
  meta?: object;
  cursor?: object;
}

/** What the stand-in really commits, run alone; as rows. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "legalone-chaos-"));
  const { steps, stepMs, padKb, outputs, clock, mishaps } = stage;
  const job = {
    ...{ stage: "train", stageId: "r1-train-g1", shard: 0, attempt: "a1", epoch: 1, seed: 11, inputs: [] },
    ...{ folder, output: join(folder, "output"), events: join(folder, "events.jsonl"), resume: null },
    ...{ checkpoint: { every: 2, keep: 3 }, heartbeatSeconds: 1 },
    with: { steps, stepMs, padKb, outputs, clock, mishaps },
  };
  writeFileSync(join(folder, "job.json"), JSON.stringify(job));
  const python = join(packageRoot, ".venv", "bin", "python");
  execFileSync(python, [
    "-I",
    "-S",
    join(packageRoot, "test", "chaos", "worker.py"),
    join(folder, "job.json"),
  ]);
  committed = readFileSync(job.events, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line)
    .filter(({ type }) => type === "checkpoint" || type === "artifact")
    .map((line, i) => ({
      id: `row ${i}`,
      kind: line.kind ?? "checkpoint",
      sha256: line.sha256,
      meta: line.meta ?? { cursor: line.cursor },
      attemptId: "a1",
      stageId: "r1-train-g1",
      shard: 0,
      step: line.step ?? null,
    }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const names = new Map([["r1-train-g1", "train"]]);
const faultsOf = (rows: CommittedRow[], known = ["a1"]) =>
  lineageFaults(rows, names, new Set(known), expectedOf(plan));

test("what the stand-in commits, undisturbed, is what the model says", () => {
  expect(committed.map(({ kind, step }) => [kind, step])).toEqual([
    ["checkpoint", 2],
    ["checkpoint", 4],
    ["checkpoint", 6],
    ["model", null],
  ]);
  expect(faultsOf(committed)).toEqual([]);
});

test("other bytes, another state, a step taken twice or left out, and an unknown attempt are faults", () => {
  const changed = (i: number, change: (row: CommittedRow) => void) => {
    const rows = structuredClone(committed);
    change(rows[i]!);
    return faultsOf(rows);
  };
  const legs = (row: CommittedRow) => (row.meta as { cursor: { lineage: object[] } }).cursor.lineage;
  expect(changed(3, (row) => (row.sha256 = "0".repeat(64)))).toEqual([
    expect.stringContaining("its hash is not"),
  ]);
  expect(changed(1, (row) => (row.step = 2))).toHaveLength(2);
  expect(changed(1, (row) => legs(row).unshift({ attempt: "a1", from: 0, to: 2 }))).toHaveLength(1);
  expect(changed(1, (row) => legs(row).push({ attempt: "a1", from: 5, to: 6 }))).toHaveLength(1);
  expect(faultsOf(committed, ["a2"])).toHaveLength(4);
});
