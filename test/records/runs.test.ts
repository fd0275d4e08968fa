import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { cancelRun } from "../../src/records/cancel.ts";
import type { Database } from "../../src/records/database.ts";
import { resolveRunId } from "../../src/records/reads/runs.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { runOf } from "../support/pipelines.ts";
import { openRecords, type TestRecords } from "../support/records.ts";

let records: TestRecords;
let db: Database;
beforeAll(async () => {
  records = await openRecords();
  db = records.db;
});
afterAll(() => records.close());

const chain = [
  { name: "corpus" },
  { name: "base", needs: ["corpus"], shards: 2 },
  { name: "eval", needs: ["corpus"] },
];

test("submit writes run, stages, shards, the event and the bell in one transaction", async () => {
  const { run, attached } = await submitRun(db, runOf(chain));
  expect(attached).toBe(false);
  const stages = await db.stage.findMany({
    where: { runId: run },
    orderBy: { position: "asc" },
    include: { shards: true },
  });
  expect(stages.map(({ id, state, shards }) => [id, state, shards.length])).toEqual([
    [`${run}-corpus-g1`, "PENDING", 1],
    [`${run}-base-g1`, "PENDING", 2],
    [`${run}-eval-g1`, "PENDING", 1],
  ]);
  expect(await db.event.findMany({ where: { runId: run } })).toMatchObject([{ type: "run.submitted" }]);
  expect(await db.outbox.count({ where: { key: `submit-${run}` } })).toBe(1);
});

test("a submit that fails in the middle leaves nothing", async () => {
  const run = runOf([{ name: "base" }, { name: "base" }]);
  const before = await db.run.count();
  await expect(submitRun(db, run)).rejects.toThrow();
  expect(await db.run.count()).toBe(before);
});

test("an idempotency key: ten at once are one run; another configuration is refused", async () => {
  const submit = () => submitRun(db, runOf(chain, { idempotencyKey: "ci-17" }));
  const results = await Promise.all(Array.from({ length: 10 }, submit));
  expect(new Set(results.map(({ run }) => run)).size).toBe(1);
  expect(results.filter(({ attached }) => !attached)).toHaveLength(1);
  await expect(
    submitRun(db, runOf(chain, { idempotencyKey: "ci-17", configHash: "other" })),
  ).rejects.toMatchObject({
    code: "E_CONFLICT",
    exitCode: 8,
  });
});

test("a resume, with --until or without, changes nothing of what the idempotency key stands for", async () => {
  for (const [until, resumeUntil] of [
    [undefined, "base"],
    ["base", undefined],
    ["base", "eval"],
  ] as const) {
    const key = `ci-${until}-${resumeUntil}`;
    const again = () => submitRun(db, runOf(chain, { idempotencyKey: key, ...(until ? { until } : {}) }));
    const { run } = await again();
    await cancelRun(db, run);
    await db.stage.updateMany({
      where: { runId: run, endedAt: null },
      data: { state: "CANCELLED", reason: "cancelled", endedAt: new Date() },
    });
    expect(await resumeRun(db, run, resumeUntil ? { until: resumeUntil } : {})).not.toEqual([]);
    expect(await again()).toEqual({ run, attached: true });
  }
});

test("until: only what the stage needs is wanted; a resume without it wants the rest", async () => {
  const { run } = await submitRun(db, runOf(chain, { until: "base" }));
  const states = async () =>
    Object.fromEntries(
      (await db.stage.findMany({ where: { runId: run } })).map((stage) => [
        stage.id.slice(run.length + 1),
        `${stage.state} ${stage.reason}`,
      ]),
    );
  expect(await states()).toEqual({
    "corpus-g1": "PENDING null",
    "base-g1": "PENDING null",
    "eval-g1": "CANCELLED not_requested",
  });
  expect(await resumeRun(db, run)).toEqual(["eval"]);
  expect((await states())["eval-g2"]).toBe("PENDING null");
  await expect(submitRun(db, runOf(chain, { until: "nowhere" }))).rejects.toMatchObject({ code: "E_USAGE" });
});

test("resume adds a generation of what failed, and leaves the old rows", async () => {
  const { run } = await submitRun(db, runOf(chain));
  const end = (name: string, state: "SUCCEEDED" | "FAILED" | "CANCELLED", reason: string) =>
    db.stage.update({ where: { id: `${run}-${name}-g1` }, data: { state, reason, endedAt: new Date() } });
  await end("corpus", "SUCCEEDED", "completed");
  await end("base", "FAILED", "killed");
  await end("eval", "CANCELLED", "cancelled");
  const both = await Promise.all([resumeRun(db, run), resumeRun(db, run)]);
  expect(both.map((names) => names.length).sort()).toEqual([0, 2]);
  const base = await db.stage.findMany({
    where: { runId: run, name: "base" },
    orderBy: { generation: "asc" },
    include: { shards: true },
  });
  expect(base.map(({ generation, state, shards }) => [generation, state, shards.length])).toEqual([
    [1, "FAILED", 2],
    [2, "PENDING", 2],
  ]);
  await expect(resumeRun(db, "nobody")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});

test("a resume that names a stage that succeeded runs it and what follows again", async () => {
  const { run } = await submitRun(db, runOf(chain));
  await db.stage.updateMany({ where: { runId: run }, data: { state: "SUCCEEDED", endedAt: new Date() } });
  expect(await resumeRun(db, run)).toEqual([]);
  expect(await resumeRun(db, run, { stages: ["corpus"] })).toEqual(["corpus", "base", "eval"]);
});

test("a stage whose outputs were removed from disk runs again where something needs them", async () => {
  const { run } = await submitRun(db, runOf(chain));
  await db.stage.updateMany({ where: { runId: run }, data: { state: "SUCCEEDED", endedAt: new Date() } });
  await db.stage.update({ where: { id: `${run}-eval-g1` }, data: { state: "FAILED" } });
  const ids = { runId: run, stageId: `${run}-corpus-g1`, attemptId: `${run}-corpus-g1-s0-e1` };
  const attempt = { id: ids.attemptId, shardId: `${run}-corpus-g1-s0`, epoch: 1, engine: "process" };
  await db.attempt.create({ data: attempt });
  const sha256 = "0".repeat(64);
  const file = {
    id: `${run}-a`,
    kind: "model",
    sha256,
    uri: `legalone://artifacts/${sha256}`,
    bytes: 1,
    meta: {},
    parents: [],
  };
  await db.artifact.create({ data: { ...ids, ...file, shard: 0 } });
  // A workspace that has a name and a store: what is not in it was removed.
  const home = mkdtempSync(join(tmpdir(), "legalone-removed-"));
  vi.stubEnv("LEGALONE_HOME", home);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  });
  mkdirSync(join(home, "artifacts", "1".repeat(64)), { recursive: true });
  writeFileSync(join(home, "workspace.id"), "name\n");
  expect(await resumeRun(db, run)).toEqual(["corpus", "eval"]);
});

test("behind a gate that did not hold nothing is resumed, and the error says which", async () => {
  const { run } = await submitRun(db, runOf(chain));
  await db.stage.updateMany({
    where: { runId: run },
    data: { state: "CANCELLED", reason: "gate_failed", endedAt: new Date() },
  });
  await db.stage.update({ where: { id: `${run}-corpus-g1` }, data: { state: "SUCCEEDED" } });
  const stageId = `${run}-corpus-g1`;
  const gate = {
    id: `${run}-gate`,
    stageId,
    metric: "loss",
    comparison: "below",
    against: "1",
    value: 2,
    threshold: 1,
    passed: false,
  };
  await db.gate.create({ data: gate });
  await expect(resumeRun(db, run)).rejects.toMatchObject({
    code: "E_GATE_FAILED",
    exitCode: 10,
    message: expect.stringContaining("loss is 2"),
  });
});

test("cancel asks every open stage to stop, once", async () => {
  const { run } = await submitRun(db, runOf(chain));
  expect((await cancelRun(db, run, "me")).sort()).toEqual(["base", "corpus", "eval"]);
  expect(await cancelRun(db, run, "me")).toEqual([]);
  expect(await db.stage.count({ where: { runId: run, desired: "STOP" } })).toBe(3);
  await expect(cancelRun(db, "nobody")).rejects.toMatchObject({ code: "E_NOT_FOUND", exitCode: 7 });
});

test("a stage is not run again under one that works with its outputs; one that waits for it begins anew", async () => {
  const { run } = await submitRun(db, runOf(chain));
  const ended = { state: "SUCCEEDED", endedAt: new Date() } as const;
  await db.stage.update({ where: { id: `${run}-corpus-g1` }, data: ended });
  await db.stage.update({ where: { id: `${run}-base-g1` }, data: { state: "RUNNING" } });
  await expect(resumeRun(db, run, { stages: ["corpus"] })).rejects.toMatchObject({
    code: "E_CONFLICT",
    message: expect.stringContaining("base works with what corpus made"),
  });
  expect(await db.stage.count({ where: { runId: run } })).toBe(3);

  await db.stage.update({ where: { id: `${run}-base-g1` }, data: { state: "PENDING" } });
  expect(await resumeRun(db, run, { stages: ["corpus"] })).toEqual(["corpus", "base", "eval"]);
  const old = await db.stage.findUniqueOrThrow({
    where: { id: `${run}-base-g1` },
    include: { shards: true },
  });
  expect(old).toMatchObject({ state: "CANCELLED", reason: "cancelled" });
  expect(old.shards.map(({ state }) => state)).toEqual(["CANCELLED", "CANCELLED"]);
  expect(await db.stage.findUnique({ where: { id: `${run}-base-g2` } })).toMatchObject({ state: "PENDING" });
});

test("an empty name of a run, as an unset variable gives it, means no run at all", async () => {
  const { run } = await submitRun(db, { ...runOf(chain), idempotencyKey: "named" });
  expect(await resolveRunId(db, run)).toBe(run);
  for (const name of ["", " "])
    await expect(resolveRunId(db, name)).rejects.toMatchObject({ code: "E_USAGE" });
});
