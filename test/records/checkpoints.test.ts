import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { defaultKeep, staleSteps } from "../../src/core/stale-steps.ts";
import { readTimes } from "../../src/core/times.ts";
import type { Database } from "../../src/records/database.ts";
import { type EventLine, ingestEvents } from "../../src/records/ingest.ts";
import { readLaunch } from "../../src/records/launches.ts";
import { submitRun } from "../../src/records/runs.ts";
import { faultsOfJob, type Job } from "../../src/worker/protocol.ts";
import { launchOf } from "../../src/workflow/launch.ts";
import { runOf } from "../support/pipelines.ts";
import { openRecords, type TestRecords } from "../support/records.ts";
import { line } from "../support/scripted-agent.ts";

const times = readTimes({});

/** test/stages/_worker/training/test_checkpoint.py reads the same cases. */
const cases = JSON.parse(
  readFileSync(join(packageRoot, "test/fixtures/worker/kept-checkpoints.json"), "utf8"),
) as { steps: number[]; keep: number; keepEvery: number | null; stale: number[] }[];

test.each(cases)("of $steps with keep $keep and every $keepEvery go $stale", (given) => {
  expect(staleSteps(given.steps, given.keep, given.keepEvery)).toEqual(given.stale);
});

describe("in the records", () => {
  let records: TestRecords;
  let db: Database;
  let stageId: string;
  let shardId: string;
  beforeAll(async () => {
    records = await openRecords();
    db = records.db;
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    const { run } = await submitRun(db, runOf([{ name: "base" }]));
    stageId = `${run}-base-g1`;
    shardId = `${stageId}-s0`;
    await db.stage.update({ where: { id: stageId }, data: { cacheKey: "k" } });
  });

  /** The next attempt, after the one before has ended. */
  async function attempt(epoch: number, resumeFrom: string | null = null): Promise<string> {
    const end = { state: "FAILED", reason: "killed", cause: "NODE", endedAt: new Date() } as const;
    await db.attempt.updateMany({ where: { shardId, endedAt: null }, data: end });
    await db.shard.update({ where: { id: shardId }, data: { epoch, state: "RUNNING" } });
    const data = { id: `${shardId}-e${epoch}`, shardId, epoch, engine: "process", resumeFrom };
    return (await db.attempt.create({ data })).id;
  }

  let offset = 0;
  async function send(id: string, lines: EventLine[]): Promise<void> {
    offset = Number((await db.attempt.findUniqueOrThrow({ where: { id } })).acknowledged);
    const epoch = Number(id.slice(id.lastIndexOf("e") + 1));
    const answer = await ingestEvents(db, id, { epoch, offset, bytes: 100, lines }, times);
    expect(answer.status).toBe("accepted");
  }

  const checkpoints = () =>
    db.artifact.findMany({ where: { stageId, kind: "checkpoint" }, orderBy: { step: "asc" } });
  const kept = async () => (await checkpoints()).filter((row) => row.goneAt === null).map(({ step }) => step);
  const damaged = (sha256: string): EventLine => ({
    ...{ type: "warning", at: new Date().toISOString() },
    ...{ code: "checkpoint_damaged", message: "a hash differs", checkpoint: sha256 },
  });
  async function jobOf(id: string): Promise<Job> {
    const { job } = launchOf(await readLaunch(db, id), times, defaultKeep);
    const folder = "/w";
    const made = JSON.parse(JSON.stringify({ ...job, folder, output: "/w/o", events: "/w/e" })) as Job;
    expect(faultsOfJob(made)).toEqual([]);
    return made;
  }

  test("the newest and every n-th stay; the rest is marked with the line that made it so", async () => {
    const spec = { ...runOf([{ name: "base" }]).stages[0]?.spec, checkpoint: { keep: 2, keep_every: 4 } };
    await db.stage.update({ where: { id: stageId }, data: { spec: spec as object } });
    const id = await attempt(1);
    const at = (step: number) => line.checkpoint(step, `${step} steps`);
    for (const step of [2, 4, 6]) await send(id, [at(step)]);
    await send(id, [8, 10, 12, 14].map(at));
    expect(await kept()).toEqual([4, 8, 12, 14]);
    expect((await jobOf(id)).checkpoint).toEqual({ keep: 2, keepEvery: 4 });
  });

  test("a job names the older checkpoints of all attempts of its shard, newest first", async () => {
    const first = await attempt(1);
    await send(first, [line.checkpoint(2), line.checkpoint(4)]);
    const second = await attempt(2);
    await send(second, [line.checkpoint(6), line.checkpoint(8)]);
    const newest = (await checkpoints()).at(-1)!;
    const third = await attempt(3, newest.id);
    const { resume } = await jobOf(third);
    expect(resume).toMatchObject({ step: 8, sha256: newest.sha256, fork: false });
    expect(resume?.older?.map(({ step }) => step)).toEqual([6, 4, 2]);
  });

  test("a damaged one is given up for good, twice told or not, and only by a later attempt", async () => {
    const first = await attempt(1);
    await send(first, [line.checkpoint(2), line.checkpoint(4)]);
    const newest = (await checkpoints()).at(-1)!;
    await send(first, [damaged(newest.sha256)]);
    expect(await kept()).toEqual([2, 4]);
    const second = await attempt(2, newest.id);
    await send(second, [damaged(newest.sha256), damaged(newest.sha256), damaged("f".repeat(64))]);
    expect(await kept()).toEqual([2]);
    await send(second, [damaged(newest.sha256)]);
    const told = await db.event.findMany({ where: { attemptId: second, type: "worker.warning" } });
    expect(told).toHaveLength(4);
  });

  test("what a stage began with is a fork; its own checkpoints are not", async () => {
    const origin = await attempt(1);
    await send(origin, [line.checkpoint(2), line.checkpoint(4)]);
    const source = (await checkpoints()).at(-1)!;
    const before = stageId;
    const { run } = await submitRun(db, runOf([{ name: "base" }]));
    stageId = `${run}-base-g1`;
    shardId = `${stageId}-s0`;
    await db.stage.update({ where: { id: stageId }, data: { cacheKey: "other", startFrom: source.id } });
    const first = await attempt(1, source.id);
    expect((await jobOf(first)).resume).toMatchObject({ step: 4, fork: true, older: [{ step: 2 }] });
    await send(first, [damaged(source.sha256), line.checkpoint(6)]);
    expect((await db.artifact.findUniqueOrThrow({ where: { id: source.id } })).goneAt).toBeNull();
    const own = (await checkpoints()).at(-1)!;
    expect((await jobOf(await attempt(2, own.id))).resume).toMatchObject({ step: 6, fork: false, older: [] });
    expect(before).not.toBe(stageId);
  });
});
