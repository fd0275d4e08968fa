import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readTimes } from "../../src/core/times.ts";
import type { Database } from "../../src/records/database.ts";
import { recordExit } from "../../src/records/exits.ts";
import { type EventLine, ingestEvents } from "../../src/records/ingest.ts";
import { phaseTexts } from "../../src/records/reads/phases.ts";
import { submitRun } from "../../src/records/runs.ts";
import { runOf } from "../support/pipelines.ts";
import { openRecords, type TestRecords } from "../support/records.ts";
import { line } from "../support/scripted-agent.ts";

const times = readTimes({});
let records: TestRecords;
let db: Database;
let shardId: string;
let id: string;
beforeAll(async () => {
  records = await openRecords();
  db = records.db;
});
afterAll(() => records.close());

/** A run with one stage and its first attempt. */
beforeEach(async () => {
  const { run } = await submitRun(db, runOf([{ name: "base" }]));
  shardId = `${run}-base-g1-s0`;
  id = await openAttempt(1);
});

async function openAttempt(epoch: number): Promise<string> {
  await db.shard.update({ where: { id: shardId }, data: { epoch, state: "RUNNING" } });
  const row = await db.attempt.create({
    data: { id: `${shardId}-e${epoch}`, shardId, epoch, engine: "process" },
  });
  return row.id;
}

const send = (lines: EventLine[], offset: number, bytes = 100, epoch = 1) =>
  ingestEvents(db, id, { epoch, offset, bytes, lines }, times);
const attempt = () => db.attempt.findUniqueOrThrow({ where: { id } });

test("lines become events, metrics, artifacts and the attempt's state; the offset moves", async () => {
  const lines = [
    line.phase("training"),
    line.progress(5, 20),
    line.metric("loss", 5, 3.5),
    line.metric("loss", 6, 3.25),
    line.checkpoint(5),
    line.artifact("model"),
    line.heartbeat(),
    line.succeeded({ loss: 3.25 }),
  ];
  expect(await send(lines, 0)).toEqual({
    status: "accepted",
    acknowledged: 100,
    desired: "RUN",
    graceSeconds: 120,
  });
  expect(await attempt()).toMatchObject({
    state: "RUNNING",
    phase: "training",
    step: 5,
    of: 20,
    unit: "step",
    acknowledged: 100n,
    result: { status: "succeeded", metrics: { loss: 3.25 } },
  });
  expect(await db.metric.findMany({ where: { attemptId: id }, select: { step: true, value: true } })).toEqual(
    [
      { step: 5, value: 3.5 },
      { step: 6, value: 3.25 },
    ],
  );
  const artifacts = await db.artifact.findMany({ where: { attemptId: id }, orderBy: { kind: "asc" } });
  expect(artifacts).toMatchObject([
    { kind: "checkpoint", step: 5, meta: { cursor: { row: 40 } } },
    { kind: "model", step: null },
  ]);
  const events = await db.event.findMany({ where: { attemptId: id }, orderBy: { id: "asc" } });
  expect(events.map(({ type }) => type)).toEqual([
    "attempt.running",
    "worker.phase",
    "worker.checkpoint",
    "worker.artifact",
    "worker.result",
  ]);
});

test("what is counted anew is timed anew, and what a live attempt does is read from its newest phase", async () => {
  const hour = new Date(Date.now() - 3_600_000);
  await send([line.phase("loading"), line.progress(5, 20)], 0);
  await db.attempt.update({ where: { id }, data: { stepAt: hour, stepMs: 9_000 } });
  const documents = { ...line.progress(6, 900), unit: "documents" };
  await send([{ ...line.phase("loading"), detail: "measuring 900 documents" }, documents], 100);
  // An hour between a step and a document is no time that a document took.
  expect(await attempt()).toMatchObject({ step: 6, of: 900, unit: "documents", stepMs: null });
  const asked = [id, `${id}0`];
  expect(await phaseTexts(db, asked)).toEqual(new Map([[id, "measuring 900 documents"]]));
  await send([line.phase("training")], 200);
  expect(await phaseTexts(db, asked)).toEqual(new Map());
});

test("the same batch twice, even at once, is taken once", async () => {
  const batch = [line.metric("loss", 1, 2), line.checkpoint(1)];
  const answers = await Promise.all([send(batch, 0), send(batch, 0), send(batch, 0)]);
  expect(answers.map(({ status }) => status).sort()).toEqual(["accepted", "wrong_offset", "wrong_offset"]);
  expect(await db.metric.count({ where: { attemptId: id } })).toBe(1);
  expect(await send(batch, 50)).toEqual({ status: "wrong_offset", acknowledged: 100 });
});

test("what comes again is a sign of life: an agent that no answer reaches is not silent", async () => {
  await send([line.metric("loss", 1, 2)], 0);
  const long = new Date(Date.now() - 3_600_000);
  await db.attempt.update({
    where: { id },
    data: { state: "UNREACHABLE", heartbeatAt: long, leaseUntil: long },
  });
  expect(await send([line.metric("loss", 1, 2)], 0)).toMatchObject({ status: "wrong_offset" });
  const row = await db.attempt.findUniqueOrThrow({ where: { id } });
  expect(row.state).toBe("RUNNING");
  expect(row.heartbeatAt!.getTime()).toBeGreaterThan(Date.now() - 60_000);
  expect(row.leaseUntil!.getTime()).toBeGreaterThan(Date.now());
  expect(await db.metric.count({ where: { attemptId: id } })).toBe(1);
});

test("a stale epoch, an ended attempt and an unknown one change nothing", async () => {
  await db.attempt.update({
    where: { id },
    data: { state: "LOST", reason: "lost", cause: "NODE", endedAt: new Date() },
  });
  const before = await db.event.count();
  expect(await send([line.metric("loss", 1, 2)], 0)).toEqual({ status: "stale" });
  expect(await recordExit(db, id, { epoch: 1, code: 0, signal: null, lost: false })).toBe(false);
  id = await openAttempt(2);
  expect(await send([line.checkpoint(1)], 0, 10, 1)).toEqual({ status: "stale" });
  id = "nobody-e1";
  expect(await send([line.checkpoint(1)], 0)).toEqual({ status: "stale" });
  expect([
    await db.event.count(),
    await db.metric.count({ where: { attemptId: { startsWith: shardId } } }),
  ]).toEqual([before, 0]);
});

test("a batch that breaks a rule of the records leaves nothing of itself", async () => {
  const bad = { ...line.metric("loss", 1, 2), at: "no time" };
  await expect(send([line.checkpoint(1), bad], 0)).rejects.toThrow();
  expect(await attempt()).toMatchObject({ acknowledged: 0n, state: "DISPATCHING" });
  expect(await db.artifact.count({ where: { attemptId: id } })).toBe(0);
});

test("the answer carries the stop", async () => {
  await db.stage.updateMany({ where: { id: shardId.slice(0, -3) }, data: { desired: "STOP" } });
  expect(await send([], 0, 0)).toMatchObject({ status: "accepted", desired: "STOP" });
});

test("checkpoints beyond those a worker keeps are gone", async () => {
  for (const step of [1, 2, 3, 4, 5]) await send([line.checkpoint(step)], (step - 1) * 100);
  const rows = await db.artifact.findMany({ where: { attemptId: id }, orderBy: { step: "asc" } });
  expect(rows.map(({ step, goneAt }) => [step, goneAt !== null])).toEqual([
    [1, true],
    [2, true],
    [3, false],
    [4, false],
    [5, false],
  ]);
});

test("an exit is recorded once; a repeat is told it is known", async () => {
  const exit = { epoch: 1, code: 137, signal: null, lost: false };
  expect(await recordExit(db, id, exit)).toBe(true);
  expect(await recordExit(db, id, { ...exit, code: 0 })).toBe(true);
  expect(await attempt()).toMatchObject({ exitCode: 137, state: "DISPATCHING" });
});

test("the database itself refuses a second live attempt, a change of an ended one, and an edited log", async () => {
  await expect(openAttempt(2)).rejects.toMatchObject({ code: "P2002" });
  const end = { state: "FAILED", endedAt: new Date() } as const;
  await expect(db.attempt.update({ where: { id }, data: end })).rejects.toThrow(/Attempt_ending_check/);
  await db.attempt.update({ where: { id }, data: { ...end, reason: "killed", cause: "NODE" } });
  await expect(db.attempt.update({ where: { id }, data: { message: "no" } })).rejects.toThrow(/final/);
  await expect(db.attempt.delete({ where: { id } })).rejects.toThrow(/final/);
  await expect(db.event.updateMany({ data: { type: "no" } })).rejects.toThrow(/final/);
  await expect(db.event.deleteMany({})).rejects.toThrow(/final/);
});
