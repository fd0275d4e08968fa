import fc from "fast-check";
import { expect, test } from "vitest";
import { applyChange, emptyRows } from "../../src/core/changes.ts";
import { defaultTimes } from "../../src/core/times.ts";
import { decide } from "../../src/workflow/decide.ts";
import { hasOutputs, isLive, isStageEnded } from "../../src/workflow/states.ts";
import { specOf } from "../../src/workflow/types.ts";
import { MemoryRecords, silenceOf } from "../support/memory-records.ts";
import { runOf, type StageSketch } from "../support/pipelines.ts";

/** What the world does to a run between two looks. `who` picks among the live attempts. */
const mishap = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("succeed" as const), who: fc.nat(5) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("exit" as const),
      who: fc.nat(5),
      code: fc.constantFrom(0, 3, 64, 65, 69, 70, 74, 75, 76, 77, 137),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), who: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("hear" as const), who: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("checkpoint" as const), who: fc.nat(5), step: fc.nat(100) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1_000, defaultTimes.lease, defaultTimes.backoffLimit, defaultTimes.grace),
      silent: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const) }) },
);
type Mishap = typeof mishap extends fc.Arbitrary<infer T> ? T : never;

/** Random pipelines: every stage may need earlier ones, be split, have a gate or a time limit. */
const pipeline = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(4), { maxLength: 2 }),
      shards: fc.integer({ min: 1, max: 3 }),
      as: fc.option(fc.nat(4)),
      gate: fc.boolean(),
      timeoutSeconds: fc.constantFrom(undefined, 3600),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((stages) =>
    stages.map((stage, i): StageSketch => {
      const needs = [...new Set(stage.needs.filter((need) => need < i))].map((need) => `s${need}`);
      const gate = { metric: "loss", comparison: "below" as const, against: 0.5 };
      return {
        name: `s${i}`,
        needs,
        shards: stage.shards,
        ...(stage.as !== null && stage.as < i ? { as: `s${stage.as}` } : {}),
        ...(stage.gate ? { gates: [gate] } : {}),
        ...(stage.timeoutSeconds === undefined ? {} : { timeoutSeconds: stage.timeoutSeconds }),
      };
    }),
  );

/** Runs beside the first: of the same work or of other, of any priority, some of them to begin afresh. */
const others = fc.array(
  fc.record({ same: fc.boolean(), priority: fc.integer({ min: -2, max: 2 }), fresh: fc.boolean() }),
  { maxLength: 3 },
);
type Other = { same: boolean; priority: number; fresh: boolean };

function submitOthers(
  records: MemoryRecords,
  sketches: readonly StageSketch[],
  more: readonly Other[],
): void {
  for (const [i, { same, priority, fresh }] of more.entries()) {
    const of = sketches.map((sketch) => (same ? sketch : { ...sketch, with: { of: i } }));
    const run = runOf(of);
    const stages = run.stages.map((stage) => ({ ...stage, fresh: fresh && !stage.needs.length }));
    records.submit(`r${i + 2}`, of, { priority, stages });
  }
}

function happen(records: MemoryRecords, what: Mishap): void {
  if (what.do === "wait") {
    records.wait(what.ms, what.silent ? ["n1"] : []);
    return;
  }
  if (what.do === "cancel") {
    for (const stage of records.rows.Stage.values()) {
      if (!isStageEnded(stage)) records.set("Stage", stage.id, { desired: "STOP" });
    }
    return;
  }
  const live = records.live().filter((attempt) => !attempt.exitedAt);
  const attempt = live[what.who % Math.max(1, live.length)];
  if (!attempt) return;
  if (what.do === "succeed") records.succeed(attempt, { loss: what.who / 5 });
  if (what.do === "exit") records.fail(attempt, what.code);
  if (what.do === "lose") records.set("Attempt", attempt.id, { exitedAt: records.now });
  if (what.do === "hear") records.hear(attempt);
  if (what.do === "checkpoint") records.artifact(attempt, "checkpoint", { step: what.step });
}

function checkInvariants(records: MemoryRecords): void {
  const attempts = [...records.rows.Attempt.values()];
  const shards = attempts.filter(isLive).map((attempt) => attempt.shardId);
  expect(new Set(shards).size, "one live attempt a shard").toBe(shards.length);
  for (const attempt of attempts) {
    if (isLive(attempt)) {
      expect(records.rows.Shard.get(attempt.shardId)?.epoch, "a live attempt has the shard's epoch").toBe(
        attempt.epoch,
      );
    } else {
      expect(
        attempt.reason && (attempt.cause || attempt.state === "SUCCEEDED"),
        "a reason and a cause",
      ).toBeTruthy();
    }
  }
  const working = new Map<string, Set<string>>();
  for (const attempt of attempts.filter(isLive)) {
    const stage = records.rows.Stage.get(records.rows.Shard.get(attempt.shardId)!.stageId)!;
    if (stage.fresh || stage.desired === "STOP") continue;
    working.set(stage.cacheKey!, (working.get(stage.cacheKey!) ?? new Set()).add(stage.id));
  }
  for (const [key, stages] of working) expect([...stages], `one works on ${key}`).toHaveLength(1);
  const devices = [...records.rows.Lease.values()].map((lease) => `${lease.nodeId} ${lease.device}`);
  expect(new Set(devices).size, "a device is leased once").toBe(devices.length);
  for (const lease of records.rows.Lease.values()) {
    expect(isLive(records.rows.Attempt.get(lease.attemptId)!), "leases end with their attempt").toBe(true);
  }
  for (const stage of records.rows.Stage.values()) {
    if (!["READY", "RUNNING", "SUCCEEDED"].includes(stage.state)) continue;
    for (const need of specOf(stage).needs) {
      const before = records.rows.Stage.get(stage.id.replace(`-${stage.name}-`, `-${need}-`))!;
      expect(hasOutputs(before), `${stage.name} began after ${need} ended well`).toBe(true);
      const gates = [...records.rows.Gate.values()].filter((gate) => gate.stageId === before.id);
      expect(gates.every((gate) => gate.passed)).toBe(true);
    }
  }
}

test("under any mishaps: the invariants hold, looking twice decides nothing new, the log gives the rows", () => {
  fc.assert(
    fc.property(pipeline, fc.array(mishap, { maxLength: 40 }), others, (sketches, mishaps, more) => {
      const records = new MemoryRecords(sketches);
      submitOthers(records, sketches, more);
      for (const what of mishaps) {
        records.look();
        checkInvariants(records);
        expect(records.look().actions, "at rest after one look").toEqual([]);
        happen(records, what);
      }
      const replayed = emptyRows();
      for (const { changes } of records.log) for (const change of changes) applyChange(replayed, change);
      expect(replayed).toEqual(records.rows);
    }),
    { numRuns: 300 },
  );
});

test("decide is pure: the same rows, observations and time give the same actions and change nothing given", () => {
  fc.assert(
    fc.property(pipeline, fc.array(mishap, { maxLength: 15 }), (sketches, mishaps) => {
      const records = new MemoryRecords(sketches);
      for (const what of mishaps) {
        records.look();
        happen(records, what);
      }
      const rows = records.snapshot();
      const before = structuredClone(rows);
      const observed = { cache: new Map(), silence: silenceOf({}), aside: new Set<string>() };
      const first = decide(rows, observed, records.now, records.policy);
      expect(rows).toEqual(before);
      expect(decide(rows, observed, records.now, records.policy)).toEqual(first);
    }),
    { numRuns: 100 },
  );
});

test("whatever happened, a run whose workers succeed from now on comes to an end", () => {
  fc.assert(
    fc.property(pipeline, fc.array(mishap, { maxLength: 25 }), others, (sketches, mishaps, more) => {
      const records = new MemoryRecords(sketches);
      submitOthers(records, sketches, more);
      for (const what of mishaps) {
        records.look();
        happen(records, what);
      }
      for (let i = 0; i < 60; i++) {
        records.look();
        for (const attempt of records.live()) if (!attempt.exitedAt) records.succeed(attempt, { loss: 0 });
        records.wait(defaultTimes.backoffLimit);
      }
      records.look();
      expect([...records.rows.Stage.values()].every(isStageEnded), records.states()).toBe(true);
      expect(records.rows.Lease.size).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test("whatever a shard's attempts end with, without progress it ends after a bounded number of them", () => {
  const end = fc.constantFrom(0, 3, 64, 65, 69, 70, 71, 74, 75, 76, 77, 126, 137, 143, null);
  fc.assert(
    fc.property(fc.array(end, { minLength: 1, maxLength: 6 }), fc.boolean(), (ends, same) => {
      const records = new MemoryRecords([{ name: "base", retry: { infra: 4, user: 3, numeric: 2 } }]);
      for (let i = 0; i < 40 && !records.stage("base").endedAt; i++) {
        records.wait(defaultTimes.backoffLimit);
        records.look();
        for (const attempt of records.live()) {
          // The same checkpoint each time is no progress.
          if (same) records.artifact(attempt, "checkpoint", { step: 10 });
          const code = ends[i % ends.length]!;
          if (code === null) records.hear(attempt, { exitedAt: records.now });
          else records.fail(attempt, code);
        }
        records.look();
      }
      expect(records.stage("base").state).toBe("FAILED");
      expect(records.attempts("base").length).toBeLessThanOrEqual(1 + 4 + 3 + 2);
    }),
    { numRuns: 200 },
  );
});

test("rows with numbers and times out of all bounds decide nothing wrong, and at once", () => {
  const hostile = fc.constantFrom(-(2 ** 31), -1, 0, 2 ** 31 - 1, Number.MAX_SAFE_INTEGER, Number.NaN);
  const times = fc.constantFrom(new Date(0), new Date("9999-12-31T00:00:00Z"), new Date(Number.NaN));
  fc.assert(
    fc.property(hostile, hostile, times, times, hostile, (slots, npus, heartbeatAt, notBefore, many) => {
      const records = new MemoryRecords([
        { name: "base", shards: 2 },
        { name: "wide", npus: 2 },
      ]);
      records.nodes.push({ id: "n9", engines: ["process"], npus, slots, heartbeatAt });
      records.nodes.push({ id: "n8", engines: ["process"], npus, slots, heartbeatAt: records.now });
      records.set("Shard", "r1-base-g1-s0", { notBefore, infraUsed: many });
      const { faults } = records.look();
      expect(faults.size).toBe(0);
      for (const { device } of records.rows.Lease.values())
        expect(Math.abs(device)).toBeLessThanOrEqual(1024);
      expect(records.live().some(({ shardId }) => shardId === "r1-base-g1-s1")).toBe(true);
    }),
    { numRuns: 100 },
  );
});
