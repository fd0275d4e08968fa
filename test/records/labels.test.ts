import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isNote, isRunName, isTag, mostTags } from "../../src/core/labels.ts";
import type { Database } from "../../src/records/database.ts";
import { setLabels } from "../../src/records/labels.ts";
import { readRun, resolveRunId } from "../../src/records/reads/runs.ts";
import { replayEvents } from "../../src/records/replay.ts";
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

const submit = async (
  labels: { name?: string; tags?: string[]; note?: string; idempotencyKey?: string } = {},
) => (await submitRun(db, { ...runOf([{ name: "corpus" }]), ...labels })).run;

describe("labels of a run", () => {
  test("are given with it, changed later, and told by the log without changing what the log is replayed to", async () => {
    const run = await submit({ name: "lambda-8", tags: ["ablation"], note: "8 instead of 4" });
    const rows = async () =>
      replayEvents(await db.event.findMany({ where: { runId: run }, orderBy: { id: "asc" } }));
    const replayed = await rows();
    const { before, after } = await setLabels(
      db,
      run,
      { name: "拉姆达 8", tag: ["late", "ablation"], untag: [], note: null },
      "me@host",
    );
    expect(before).toEqual({ name: "lambda-8", tags: ["ablation"], note: "8 instead of 4" });
    expect(after).toEqual({ name: "拉姆达 8", tags: ["ablation", "late"], note: null });
    expect((await readRun(db, run)).run).toMatchObject(after);
    const event = await db.event.findFirst({ where: { runId: run, type: "run.labelled" } });
    expect(event?.data).toMatchObject({ ...after, before, by: "me@host" });
    expect(await rows()).toEqual(replayed);
    // The same again changes nothing, and says nothing.
    await setLabels(db, run, { name: "拉姆达 8", tag: ["late"] }, "me@host");
    expect(await db.event.count({ where: { runId: run, type: "run.labelled" } })).toBe(1);
  });

  test("keep nobody from attaching to the run of a key, and stay as they were", async () => {
    const run = await submit({ idempotencyKey: "labelled", name: "first" });
    expect(await submit({ idempotencyKey: "labelled", name: "second", tags: ["x"] })).toBe(run);
    expect((await readRun(db, run)).run).toMatchObject({ name: "first", tags: [] });
  });

  test("of more than twenty tags and of one that is not there nothing is written", async () => {
    const run = await submit({ tags: Array.from({ length: mostTags }, (_, i) => `t${i}`) });
    await expect(setLabels(db, run, { tag: ["one-more"] }, "me")).rejects.toThrow(
      "21 tags, expected at most 20",
    );
    await expect(setLabels(db, run, { untag: ["other"] }, "me")).rejects.toThrow("has no tag other");
    await setLabels(db, run, { tag: ["one-more"], untag: ["t0"] }, "me");
    expect((await readRun(db, run)).run.tags).toHaveLength(mostTags);
    await expect(setLabels(db, "rnosuchrun", { name: "x" }, "me")).rejects.toMatchObject({
      code: "E_NOT_FOUND",
    });
  });
});

describe("a name", () => {
  test("means its run; the same name twice, or one that begins an id, is told with the ids", async () => {
    const one = await submit({ name: "baseline" });
    expect(await resolveRunId(db, "baseline")).toBe(one);
    await expect(resolveRunId(db, "baselime")).rejects.toMatchObject({
      hint: expect.stringContaining("baseline"),
    });
    const two = await submit({ name: "baseline" });
    await expect(resolveRunId(db, "baseline")).rejects.toMatchObject({
      message: `more than one run is called "baseline": ${two}, ${one}`,
      hint: expect.stringContaining("legalone label"),
    });
    const named = await submit({ name: two.slice(0, 6) });
    await expect(resolveRunId(db, two.slice(0, 6))).rejects.toMatchObject({ fields: { near: [named, two] } });
    expect(await resolveRunId(db, two)).toBe(two);
  });

  test("with signs that a pattern would read is that name and nothing else", async () => {
    const run = await submit({ name: "100%_\\ sure" });
    expect(await resolveRunId(db, "100%_\\ sure")).toBe(run);
    await expect(resolveRunId(db, "%")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });
});

test("what a label may be", () => {
  const hostile = ["\u001b[2Jx", "a\u0007", "a\u202eb", "a\nb\u009b31m", "\ud800"];
  for (const text of [
    ...hostile,
    "",
    " ",
    "latest",
    "rk2m9x4t7a",
    "-x",
    "a  b",
    " a",
    "a\nb",
    "x".repeat(61),
  ])
    expect([text, isRunName(text)]).toEqual([text, false]);
  for (const text of ["a", "seed 7", "学习率 2e-3", "x".repeat(60), "r2", "rk2m"])
    expect([text, isRunName(text)]).toEqual([text, true]);
  for (const text of [...hostile, "", "a b", "a,b", "x".repeat(41)])
    expect([text, isTag(text)]).toEqual([text, false]);
  for (const text of ["a", "消融", "lambda=8", "team/a.b:c+1"])
    expect([text, isTag(text)]).toEqual([text, true]);
  for (const text of [...hostile, "", " \n", "x".repeat(2001)])
    expect([text, isNote(text)]).toEqual([text, false]);
  expect(isNote("第一行\nsecond\tline")).toBe(true);
});
