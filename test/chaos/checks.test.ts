import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ResolvedStage } from "../../src/config/types.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { type CommittedRow, lineageFaults, mixedAttempts } from "./checks/lineage.ts";
import { walkLog } from "./checks/log.ts";
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

test("steps of one attempt that come from two processes are a fault", () => {
  expect(mixedAttempts(committed)).toEqual([]);
  const rows = structuredClone(committed);
  (rows[1]!.meta as { cursor: { lineage: { process: number }[] } }).cursor.lineage[0]!.process = 0;
  expect(mixedAttempts(rows)).toEqual(["a1: what it committed comes from 2 processes"]);
});

test("two runs that train one cache key at once are a fault, unless the first is asked to stop or the second means to", () => {
  const stage = (id: string, more: object = {}) => ({
    table: "Stage",
    insert: {
      id,
      runId: id,
      name: "train",
      generation: 1,
      state: "READY",
      desired: "RUN",
      cacheKey: "k",
      fresh: false,
      startFrom: null,
      ...more,
    },
  });
  const begin = (of: string) => [
    { table: "Shard", insert: { id: `${of}-s0`, stageId: of, epoch: 1 } },
    { table: "Attempt", insert: { id: `${of}-s0-e1`, shardId: `${of}-s0`, epoch: 1, state: "DISPATCHING" } },
  ];
  const faults = (changes: object[]) =>
    walkLog(
      [{ id: 1, runId: "r", type: "x", at: "", stageId: null, attemptId: null, data: { changes } }],
      () => ({ inputs: [] }) as unknown as ResolvedStage,
    );
  expect(faults([stage("a"), ...begin("a"), stage("b"), ...begin("b")])).toEqual([
    expect.stringContaining("trains what a-s0-e1 trains already"),
  ]);
  expect(faults([stage("a"), ...begin("a"), stage("b", { cacheKey: "other" }), ...begin("b")])).toEqual([]);
  expect(faults([stage("a"), ...begin("a"), stage("b", { fresh: true }), ...begin("b")])).toEqual([]);
  expect(faults([stage("a", { desired: "STOP" }), ...begin("a"), stage("b"), ...begin("b")])).toEqual([]);
});
