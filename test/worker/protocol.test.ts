import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import {
  eventsFrom,
  faultsOfEvent,
  faultsOfJob,
  type Job,
  type WorkerEvent,
} from "../../src/worker/protocol.ts";

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
  ...(
    [
      ["sha256", "../../x"],
      ["sha256", sha256.toUpperCase()],
      ["kind", "../model"],
      ["kind", "checkpoint"],
      ["kind", "__proto__"],
      ["bytes", -1],
      ["bytes", 2 ** 53],
      ["path", ""],
      ["at", "0000-01-01T00:00:00Z"],
      ["at", "2026-01-01T00:00:00+23:00"],
    ] as const
  ).map(([field, wrong]) => ({
    definition: "Event" as const,
    value: { ...events[6], [field]: wrong },
    fits: false,
  })),
  { definition: "Event", value: { ...events[6], uri: "file:///etc" }, fits: false },
  { definition: "Event", value: { ...events[3], step: 2 ** 53 - 1 }, fits: true },
  { definition: "Event", value: { ...events[3], step: 2 ** 53 }, fits: false },
  { definition: "Event", value: { ...events[3], of: 0.5 }, fits: false },
  { definition: "Event", value: { ...events[3], unit: "x".repeat(201) }, fits: false },
  { definition: "Event", value: { ...events[3], unit: "a\u0000b" }, fits: false },
  { definition: "Event", value: { ...events[4], value: 1e200 }, fits: false },
  { definition: "Event", value: { ...events[7], checkpoint: "../x" }, fits: false },
  { definition: "Event", value: { ...events[7], message: "x".repeat(10_001) }, fits: false },
  { definition: "Event", value: { ...events[0], epoch: 2 ** 31 }, fits: false },
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

const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);

test("an object is bounded in depth, values, keys, texts and size, and holds no number or text that JSON has not", () => {
  const result = events.at(-1)!;
  for (const [summary, said] of [
    [{ steps: [1, 2, { text: "名" }] }, undefined],
    [deep(17), "deeper than 16"],
    [deep(100_000), "deeper than 16"],
    [{ ["k".repeat(501)]: 1 }, "501 characters, at most 500"],
    [{ a: Array(100_001).fill(0) }, "more than 100000 values"],
    [
      Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i, "x".repeat(99_999)])),
      "more than 2000000 characters",
    ],
    [{ a: Number.POSITIVE_INFINITY }, "hold Infinity"],
    [{ a: "\ud800" }, "half a surrogate pair"],
    [JSON.parse('{"__proto__":1}'), "__proto__"],
  ] as const)
    expect(faultsOfEvent({ ...result, summary })).toEqual(
      said === undefined
        ? []
        : [expect.stringMatching(new RegExp(`^event result.summary must not .*${said}`))],
    );
});

test("of words what does not fit is left out and told; facts are taken whole or not at all", () => {
  const message = `it broke ${"x".repeat(20_000)}`;
  const [result, note, ...more] = eventsFrom(
    { type: "result", at: "yesterday", status: "failed", message, summary: deep(100_000), extra: 1 },
    "byte 7",
  );
  expect(more).toEqual([]);
  expect(result).toMatchObject({
    type: "result",
    status: "failed",
    message: expect.stringMatching(/^it broke x+ … /),
  });
  expect(Object.keys(result!).sort()).toEqual(["at", "message", "status", "type"]);
  expect(note).toMatchObject({
    type: "warning",
    code: "left_out",
    message: expect.stringMatching(/^byte 7: /),
  });
  for (const event of [result, note]) expect(faultsOfEvent(event)).toEqual([]);

  for (const bad of [
    { ...events[5], cursor: deep(9) },
    { ...events[5], uri: "file:///x" },
    null,
    "x",
    [1],
    deep(1e5),
  ])
    expect(eventsFrom(bad, "byte 7")).toMatchObject([{ type: "warning", code: "no_event" }]);
});

test("a quote that ends within an emoji, or a hostile key, still makes a warning that every database holds", () => {
  const line = { type: "metric", at, name: `${"x".repeat(397)}${"😀".repeat(900)}`, ["\ud800\u0000"]: 1 };
  for (const event of eventsFrom(line, "byte 0")) {
    expect(faultsOfEvent(event)).toEqual([]);
    expect(JSON.stringify(event)).not.toMatch(/\\u0000|\\ud[89a-f]/);
  }
});
