import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { faultsOfEvent, faultsOfJob, type Job, type WorkerEvent } from "../../src/worker/protocol.ts";

const at = "2026-01-02T03:04:05.678Z";
const sha256 = "a".repeat(64);

const job: Job = {
  protocol: 1,
  run: "rabc",
  stage: "midtrain",
  stageId: "rabc-midtrain-g1",
  kind: "midtrain",
  shard: 0,
  shards: 1,
  attempt: "rabc-midtrain-g1-s0-e1",
  epoch: 1,
  inputs: [{ kind: "packed", stage: "perplexity", uri: "file:///a/b", sha256, meta: {} }],
  with: { tokens: 10 },
  seed: 42,
  folder: "/w/attempts/a",
  output: "/w/attempts/a/output",
  events: "/w/attempts/a/events.jsonl",
};

const events: WorkerEvent[] = [
  { type: "started", at, attempt: "a", epoch: 1, pid: 7 },
  { type: "heartbeat", at, rssBytes: 1, step: 2 },
  { type: "phase", at, phase: "training" },
  { type: "progress", at, step: 1, of: 2, unit: "steps" },
  { type: "metric", at, name: "loss", step: 1, value: 0.5 },
  { type: "checkpoint", at, path: "step-1", step: 1, sha256, bytes: 3, cursor: { row: 4 } },
  { type: "artifact", at, kind: "model", path: "output/model", sha256, bytes: 3 },
  { type: "warning", at, message: "m", code: "c" },
  { type: "result", at, status: "succeeded", metrics: { loss: 1, none: null } },
];

/** Right and wrong values, and what both sides must say of them. */
const cases: { definition: "Job" | "Event"; value: unknown; fits: boolean }[] = [
  { definition: "Job", value: job, fits: true },
  {
    definition: "Job",
    value: { ...job, resume: { uri: "file:///c", step: 5, sha256 }, deadline: at },
    fits: true,
  },
  { definition: "Job", value: { ...job, protocol: 2 }, fits: false },
  { definition: "Job", value: { ...job, epoch: 0 }, fits: false },
  { definition: "Job", value: { ...job, extra: 1 }, fits: false },
  { definition: "Job", value: { ...job, inputs: [{ kind: "packed" }] }, fits: false },
  { definition: "Job", value: { ...job, deadline: "tomorrow" }, fits: false },
  { definition: "Job", value: { ...job, heartbeatSeconds: 0 }, fits: false },
  ...events.map((value) => ({ definition: "Event" as const, value, fits: true })),
  { definition: "Event", value: { type: "heartbeat" }, fits: false },
  { definition: "Event", value: { type: "heartbeat", at: "now" }, fits: false },
  { definition: "Event", value: { type: "unheard", at }, fits: false },
  { definition: "Event", value: { type: "metric", at, name: "loss", step: -1, value: 0 }, fits: false },
  { definition: "Event", value: { type: "metric", at, name: "loss", step: 1, value: "0" }, fits: false },
  { definition: "Event", value: { type: "phase", at, phase: "dreaming" }, fits: false },
  { definition: "Event", value: { type: "result", at, status: "ok" }, fits: false },
  { definition: "Event", value: { type: "artifact", at, kind: "model", path: "p", bytes: 1 }, fits: false },
  { definition: "Event", value: { type: "warning", at, message: "m", more: 1 }, fits: false },
  { definition: "Event", value: null, fits: false },
  { definition: "Event", value: [], fits: false },
];

test("this side tells right from wrong", () => {
  for (const { definition, value, fits } of cases) {
    const faults = definition === "Job" ? faultsOfJob(value) : faultsOfEvent(value);
    expect(faults.length === 0, JSON.stringify(value)).toBe(fits);
  }
});

test("the Python side says the same of every case", () => {
  const script = `import json, sys
from stages._worker.job import protocol_validator
print(json.dumps([protocol_validator(c["definition"]).is_valid(c["value"]) for c in json.load(sys.stdin)]))`;
  const python = join(packageRoot, ".venv", "bin", "python");
  const { stdout, stderr } = spawnSync(python, ["-c", script], {
    cwd: packageRoot,
    input: JSON.stringify(cases),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual(cases.map(({ fits }) => fits));
});

test("faults name the place and what is wrong with it", () => {
  expect(faultsOfEvent({ type: "metric", at, name: "loss", step: 1, value: "0" })).toEqual([
    "event metric.value must be number",
  ]);
  expect(faultsOfEvent({ type: "unheard", at })[0]).toMatch(/type is "unheard", expected started, heartbeat/);
  expect(faultsOfJob({ ...job, extra: 1 })[0]).toContain("extra");
});
