import { describe, expect, test } from "vitest";
import { defaultTimes } from "../../src/core/times.ts";
import { Hearing } from "../../src/workflow/silence.ts";
import { MemoryRecords } from "../support/memory-records.ts";

const chain = [
  { name: "corpus", outputs: ["corpus"] },
  { name: "base", needs: ["corpus"] },
  { name: "export", needs: ["base"] },
];
const one = [{ name: "base" }];
const types = (records: MemoryRecords) => records.look().actions.map(({ happening }) => happening.type);

describe("order", () => {
  test("a stage begins when what it needs has ended and committed; its end opens the next in the same look", () => {
    const records = new MemoryRecords(chain);
    expect(types(records)).toEqual(["stage.ready", "attempt.opened"]);
    expect(types(records)).toEqual([]);
    records.succeed(records.liveOf("corpus"));
    expect(types(records)).toEqual(["attempt.ended", "stage.ended", "stage.ready", "attempt.opened"]);
    expect(records.live().map(({ id }) => id)).toEqual(["r1-base-g1-s0-e1"]);
    expect(records.states()).toBe("corpus:SUCCEEDED base:RUNNING export:PENDING");
  });

  test("a success without its output is a bug of the worker, and the rest is cancelled", () => {
    const records = new MemoryRecords(chain);
    records.look();
    records.hear(records.liveOf("corpus"), {
      result: { status: "succeeded" },
      exitCode: 0,
      exitedAt: records.now,
    });
    records.look();
    expect(records.stage("corpus")).toMatchObject({ state: "FAILED", reason: "crashed", cause: "BUG" });
    expect(records.stage("corpus").message).toContain("without committing corpus");
    expect(records.stage("base")).toMatchObject({ state: "CANCELLED", reason: "upstream_failed" });
    expect(records.stage("export")).toMatchObject({ state: "CANCELLED", reason: "upstream_failed" });
  });

  test("a stage of shards ends when all have ended", () => {
    const merge = { documents: "sum", loss: { mean: "documents" } } as const;
    const records = new MemoryRecords([{ name: "base", shards: 3, merge }]);
    records.look();
    expect(records.live()).toHaveLength(2);
    records.succeed(records.live()[0]!, { loss: 1, documents: 8, median: 1 });
    records.look();
    expect(records.live().map(({ id }) => id)).toEqual(["r1-base-g1-s1-e1", "r1-base-g1-s2-e1"]);
    for (const attempt of records.live()) records.succeed(attempt, { loss: 4, documents: 2, median: 1 });
    records.look();
    expect(records.stage("base")).toMatchObject({
      state: "SUCCEEDED",
      result: { metrics: { loss: 2, documents: 12, median: null } },
    });
  });

  test("a shard that fails for good ends its siblings", () => {
    const records = new MemoryRecords([{ name: "base", shards: 2 }]);
    records.look();
    const [first, second] = records.live();
    records.fail(first!, 65);
    records.look();
    expect(records.rows.Attempt.get(second!.id)).toMatchObject({
      state: "STOPPING",
      stopReason: "cancelled",
    });
    records.fail(records.rows.Attempt.get(second!.id)!, 75);
    records.look();
    expect(records.stage("base")).toMatchObject({ state: "FAILED", reason: "data_error", cause: "DATA" });
  });
});

describe("cache", () => {
  test("the same key takes over the outputs of an earlier stage, down the chain", () => {
    const first = new MemoryRecords(chain);
    for (const name of ["corpus", "base", "export"]) {
      first.look();
      first.succeed(first.liveOf(name), { loss: 2 });
    }
    first.look();
    const second = new MemoryRecords(chain);
    for (const stage of first.rows.Stage.values()) {
      const artifacts = [...first.rows.Artifact.values()].filter((row) => row.stageId === stage.id);
      second.cache.set(stage.cacheKey!, {
        stageId: `old-${stage.name}`,
        result: stage.result,
        artifacts: artifacts.map((row) => ({ ...row, stageId: `old-${stage.name}` })),
      });
    }
    second.look();
    expect(second.states()).toBe("corpus:SKIPPED base:SKIPPED export:SKIPPED");
    expect(second.stage("base")).toMatchObject({ cachedFrom: "old-base", result: { metrics: { loss: 2 } } });
    expect(second.attempts("base")).toEqual([]);
  });
});

describe("retries", () => {
  const causes = [
    { code: 77, cause: "NODE", tries: 11 },
    { code: 69, cause: "NETWORK", tries: 11 },
    { code: 76, cause: "NUMERIC", tries: 3 },
    { code: 64, cause: "USER", tries: 1 },
    { code: 65, cause: "DATA", tries: 1 },
    { code: 70, cause: "BUG", tries: 1 },
  ];
  test.each(causes)("exit code $code ($cause) is tried $tries times", ({ code, cause, tries }) => {
    const records = new MemoryRecords(one);
    for (let i = 0; i < 20 && !records.stage("base").endedAt; i++) {
      records.wait(defaultTimes.backoffLimit);
      records.look();
      for (const attempt of records.live()) records.fail(attempt, code);
      records.look();
    }
    expect(records.attempts("base")).toHaveLength(tries);
    expect(records.stage("base")).toMatchObject({ state: "FAILED", cause });
  });

  test("a worker that saves and leaves unasked is tried again, but not for ever", () => {
    const records = new MemoryRecords([{ name: "base", retry: { infra: 3 } }]);
    for (let i = 0; i < 4; i++) {
      records.wait(defaultTimes.backoffLimit);
      records.look();
      records.fail(records.liveOf("base"), 75);
      records.look();
    }
    expect(records.stage("base")).toMatchObject({ state: "FAILED", reason: "left_unasked", cause: "NODE" });
  });

  test.each([
    ["a stand-in, where the plan counts on a model", [], true, "the plan counts on a model for TEACHER_URL"],
    ["a model, where it counts on a stand-in", ["TEACHER_URL"], false, "a stand-in for TEACHER_URL"],
  ])("outputs that were answered by %s, do not stand", (_, standIns, standIn, told) => {
    const records = new MemoryRecords([{ name: "base", standIns }]);
    records.look();
    const attempt = records.liveOf("base");
    const teacher = { variable: "TEACHER_URL", name: "scripted", revision: "1", stand_in: standIn };
    records.succeed(attempt);
    records.set("Attempt", attempt.id, {
      result: { status: "succeeded", summary: { answered: { teacher } } },
    });
    records.look();
    expect(records.stage("base")).toMatchObject({
      state: "FAILED",
      reason: "user_error",
      cause: "USER",
      message: expect.stringContaining(told),
    });
  });

  test("outputs that were answered as the plan counts on stand", () => {
    const records = new MemoryRecords([{ name: "base", standIns: ["TEACHER_URL"] }]);
    records.look();
    const attempt = records.liveOf("base");
    records.succeed(attempt);
    const answered = {
      teacher: { variable: "TEACHER_URL", name: "scripted", revision: "1", stand_in: true },
      judge: { variable: "JUDGE_URL", name: "m", revision: "2", stand_in: false },
    };
    records.set("Attempt", attempt.id, { result: { status: "succeeded", summary: { answered } } });
    records.look();
    expect(records.stage("base").state).toBe("SUCCEEDED");
  });

  test("a stop that somebody at the node asked for (`down --workers`) costs no budget", () => {
    const records = new MemoryRecords(one);
    for (let i = 0; i < 30; i++) {
      records.wait(defaultTimes.backoffLimit);
      records.look();
      records.fail(records.liveOf("base"), 75, { stopReason: "stopped" });
      records.look();
    }
    expect(records.stage("base").state).toBe("RUNNING");
    expect(records.rows.Shard.get("r1-base-g1-s0")).toMatchObject({ infraUsed: 0, epoch: 30 });
  });

  test("only a checkpoint later than any before is progress: the same one again gives no budget back", () => {
    const records = new MemoryRecords([{ name: "base", retry: { infra: 3 } }]);
    for (let i = 0; i < 30 && !records.stage("base").endedAt; i++) {
      records.wait(defaultTimes.backoffLimit);
      records.look();
      for (const attempt of records.live()) {
        // What the attempt before committed was lost; this one commits it again.
        for (const { id, kind } of records.rows.Artifact.values())
          if (kind === "checkpoint") records.set("Artifact", id, { goneAt: records.now });
        records.artifact(attempt, "checkpoint", { step: 10 });
        records.fail(attempt, 77);
      }
      records.look();
    }
    expect(records.attempts("base")).toHaveLength(4);
    expect(records.stage("base")).toMatchObject({ state: "FAILED", cause: "NODE" });
  });

  test("the back-off is kept, and told as the time to look again", () => {
    const records = new MemoryRecords(one);
    records.look();
    records.fail(records.liveOf("base"), 77);
    const { wakeAt } = records.look();
    const wait = wakeAt!.getTime() - records.now.getTime();
    expect(wait).toBeGreaterThanOrEqual(defaultTimes.backoff / 2);
    expect(wait).toBeLessThanOrEqual(defaultTimes.backoff);
    records.wait(wait - 1);
    expect(types(records)).toEqual([]);
    records.wait(1);
    expect(types(records)).toEqual(["attempt.opened"]);
  });

  test("a new checkpoint gives the infra budget back", () => {
    const records = new MemoryRecords([{ name: "base", retry: { infra: 1 } }]);
    for (let i = 1; i <= 5; i++) {
      records.wait(defaultTimes.backoffLimit);
      records.look();
      const attempt = records.liveOf("base");
      records.artifact(attempt, "checkpoint", { step: i * 10 });
      records.fail(attempt, 77);
      records.look();
    }
    expect(records.rows.Shard.get("r1-base-g1-s0")).toMatchObject({ infraUsed: 1, state: "PENDING" });
  });

  test("each numeric failure steps one checkpoint further back", () => {
    const records = new MemoryRecords(one);
    records.look();
    const first = records.liveOf("base");
    for (const step of [10, 20, 30]) records.artifact(first, "checkpoint", { step });
    const resumed: (number | null | undefined)[] = [];
    for (let i = 0; i < 2; i++) {
      records.fail(records.liveOf("base"), 76);
      records.look();
      records.wait(defaultTimes.backoffLimit);
      records.look();
      resumed.push(records.rows.Artifact.get(records.liveOf("base").resumeFrom!)?.step);
    }
    expect(resumed).toEqual([20, 10]);
  });
});

describe("silence", () => {
  function running(): MemoryRecords {
    const records = new MemoryRecords(one);
    records.look();
    records.hear(records.liveOf("base"));
    return records;
  }

  test("after the lease an attempt is UNREACHABLE, and a sign of life brings it back", () => {
    const records = running();
    records.wait(defaultTimes.lease);
    expect(types(records)).toEqual(["attempt.unreachable"]);
    records.hear(records.liveOf("base"));
    expect(records.liveOf("base").state).toBe("RUNNING");
    expect(types(records)).toEqual([]);
  });

  test("it is given up only after the grace, by the next epoch", () => {
    const records = running();
    records.wait(defaultTimes.lease);
    records.look();
    records.wait(defaultTimes.grace - 1);
    expect(types(records)).toEqual([]);
    records.wait(1);
    expect(types(records)).toEqual(["attempt.ended"]);
    expect(records.attempts("base")[0]).toMatchObject({ state: "LOST", reason: "lost", cause: "NODE" });
  });

  test("silence before this serve could be heard counts for nothing", () => {
    const records = running();
    records.wait(10 * defaultTimes.grace);
    records.newServe();
    expect(types(records)).toEqual([]);
    records.wait(defaultTimes.lease);
    expect(types(records)).toEqual(["attempt.unreachable"]);
  });

  test("a step of the database's clock, and sleep of all there is, end nothing", () => {
    const records = running();
    records.hearing = new Hearing(30_000, defaultTimes.lease);
    types(records);
    for (const step of [20 * 60_000, -40 * 60_000, 365 * 86_400_000]) {
      records.wait(step);
      expect(types(records)).toEqual([]);
      records.hear(records.liveOf("base"));
      expect(types(records)).toEqual([]);
    }
    // Who says nothing while somebody hears is lost as ever, and not before.
    const heardUntil = (ms: number) => {
      for (let waited = 0; waited < ms; waited += 10_000) {
        records.wait(10_000);
        types(records);
      }
    };
    heardUntil(defaultTimes.lease);
    expect(records.liveOf("base").state).toBe("UNREACHABLE");
    heardUntil(defaultTimes.grace - 10_000);
    expect(records.liveOf("base").state).toBe("UNREACHABLE");
    heardUntil(20_000);
    expect(records.attempts("base")[0]).toMatchObject({ state: "LOST", reason: "lost" });
  });

  test("what runs on a node that comes back is heard from then on, not judged by the silence before", () => {
    const records = running();
    records.wait(defaultTimes.lease, ["n1"]);
    records.look();
    // The word of its agent comes before the lines of its workers.
    records.wait(defaultTimes.grace - 1, ["n1"]);
    records.look();
    records.wait(1);
    expect(types(records)).toEqual([]);
    records.wait(defaultTimes.lease + defaultTimes.grace - 1);
    expect(types(records)).toEqual([]);
    expect(records.liveOf("base").state).toBe("UNREACHABLE");
    records.wait(1);
    expect(types(records)).toEqual(["attempt.ended"]);
  });

  test("a worker that slept with its machine has not stalled", () => {
    const records = running();
    records.hearing = new Hearing(30_000, defaultTimes.lease);
    const now = () =>
      records.hear(records.liveOf("base"), { phase: "training", phaseAt: start, stepAt: start });
    const start = records.now;
    now();
    types(records);
    records.wait(20 * 60_000);
    now();
    expect(types(records)).toEqual([]);
  });

  test("when most nodes fall silent together nothing is given up until much later, and it is told which", () => {
    const records = new MemoryRecords([{ name: "base", shards: 3 }]);
    records.nodes[0]!.slots = 1;
    for (const id of ["n2", "n3"])
      records.nodes.push({ id, engines: ["process"], npus: 0, slots: 1, heartbeatAt: records.now });
    records.look();
    for (const attempt of records.live()) records.hear(attempt);
    const away = ["n2", "n3"];
    const wait = (ms: number) => {
      records.wait(ms, away);
      for (const attempt of records.live()) if (!away.includes(attempt.nodeId!)) records.hear(attempt);
      return records.look();
    };
    wait(defaultTimes.lease);
    const { actions, held } = wait(defaultTimes.grace);
    expect(actions).toEqual([]);
    expect(held.map(({ attempt }) => attempt.nodeId).sort()).toEqual(away);
    wait(defaultTimes.blackout);
    expect(records.attempts("base").filter(({ state }) => state === "LOST")).toHaveLength(2);
  });

  test("one node of three that falls silent is given up after the grace", () => {
    const records = new MemoryRecords([{ name: "base", shards: 3 }]);
    records.nodes[0]!.slots = 1;
    for (const id of ["n2", "n3"])
      records.nodes.push({ id, engines: ["process"], npus: 0, slots: 1, heartbeatAt: records.now });
    records.look();
    for (const ms of [1, defaultTimes.lease, defaultTimes.grace]) {
      records.wait(ms, ms === 1 ? [] : ["n3"]);
      for (const attempt of records.live()) if (ms === 1 || attempt.nodeId !== "n3") records.hear(attempt);
      records.look();
    }
    expect(
      records
        .attempts("base")
        .filter(({ state }) => state === "LOST")
        .map(({ nodeId }) => nodeId),
    ).toEqual(["n3"]);
  });

  test("what a silent node did not start goes elsewhere without cost", () => {
    const records = new MemoryRecords(one);
    records.look();
    records.wait(defaultTimes.dispatch, ["n1"]);
    expect(types(records)).toEqual(["attempt.ended"]);
    expect(records.attempts("base")[0]).toMatchObject({ reason: "dispatch_failed", cause: "CAPACITY" });
    expect(records.rows.Shard.get("r1-base-g1-s0")).toMatchObject({ infraUsed: 0 });
    records.wait(defaultTimes.backoff, ["n1"]);
    expect(types(records)).toEqual([]);
    records.nodes.push({ id: "n2", engines: ["process"], npus: 0, slots: 1, heartbeatAt: records.now });
    records.look();
    expect(records.liveOf("base").nodeId).toBe("n2");
  });

  test.each([
    [null, defaultTimes.stallLoading],
    ["loading", defaultTimes.stallLoading],
    ["compiling", defaultTimes.stallCompiling],
    ["saving", defaultTimes.stallSaving],
  ])("in the phase %s a worker that beats and says nothing has stalled after %d ms", (phase, most) => {
    const records = running();
    const attempt = () => records.liveOf("base");
    const word = () => records.hear(attempt(), { phase, phaseAt: phase === null ? null : records.now });
    const beats = (ms: number) => {
      for (let left = ms; left > 0; left -= 60_000) {
        records.wait(Math.min(60_000, left));
        records.hear(attempt());
      }
    };
    word();
    expect(types(records)).toEqual([]);
    beats(most - 60_000);
    expect(types(records)).toEqual([]);
    // Saying the phase again, as counting does, is a word.
    if (phase !== null) {
      word();
      beats(most - 60_000);
      expect(types(records)).toEqual([]);
    }
    beats(60_000);
    expect(types(records)).toEqual(["attempt.stop_requested"]);
    expect(attempt()).toMatchObject({ state: "STOPPING", stopReason: "stalled" });
  });

  test("in the training phase a stall is judged by its steps, sooner than in the others", () => {
    const records = running();
    const beat = () => records.hear(records.liveOf("base"));
    records.hear(records.liveOf("base"), { phase: "compiling", phaseAt: records.now });
    records.wait(2 * defaultTimes.stall);
    beat();
    expect(types(records)).toEqual([]);
    records.hear(records.liveOf("base"), {
      phase: "training",
      phaseAt: records.now,
      stepAt: records.now,
      stepMs: 100_000,
    });
    records.wait(defaultTimes.stall);
    beat();
    expect(types(records)).toEqual([]);
    records.wait(10 * 100_000 - defaultTimes.stall);
    beat();
    expect(types(records)).toEqual(["attempt.stop_requested"]);
    records.fail(records.liveOf("base"), 75);
    records.look();
    expect(records.attempts("base")[0]).toMatchObject({ state: "STOPPED", reason: "stalled", cause: "NODE" });
    expect(records.rows.Shard.get("r1-base-g1-s0")).toMatchObject({ state: "PENDING", infraUsed: 1 });
  });
});

describe("stopping", () => {
  test("cancel: what waits ends at once, what runs is asked and then ends", () => {
    const records = new MemoryRecords(chain);
    records.look();
    for (const name of ["corpus", "base", "export"])
      records.set("Stage", `r1-${name}-g1`, { desired: "STOP" });
    records.look();
    expect(records.states()).toBe("corpus:RUNNING base:CANCELLED export:CANCELLED");
    records.fail(records.liveOf("corpus"), 75);
    records.look();
    expect(records.stage("corpus")).toMatchObject({
      state: "CANCELLED",
      reason: "cancelled",
      cause: "OPERATOR",
    });
    expect(records.rows.Lease.size).toBe(0);
  });

  test("a timeout stops the attempt and fails the stage, whatever budgets are left", () => {
    const records = new MemoryRecords([{ name: "base", timeoutSeconds: 60, retry: { user: 5 } }]);
    records.look();
    records.hear(records.liveOf("base"));
    records.wait(60_000);
    expect(types(records)).toEqual(["attempt.stop_requested"]);
    records.fail(records.liveOf("base"), 75);
    records.look();
    expect(records.stage("base")).toMatchObject({ state: "FAILED", reason: "timeout", cause: "USER" });
  });

  test("a timeout is the stage's: a later attempt has what is left of it, and its job says so", () => {
    const records = new MemoryRecords([{ name: "base", timeoutSeconds: 3600 }]);
    records.look();
    records.fail(records.liveOf("base"), 77);
    records.look();
    records.wait(3_500_000);
    records.look();
    records.hear(records.liveOf("base"));
    expect(records.attempts("base")).toHaveLength(2);
    records.wait(99_999);
    expect(types(records)).not.toContain("attempt.stop_requested");
    records.hear(records.liveOf("base"));
    records.wait(1);
    expect(types(records)).toEqual(["attempt.stop_requested"]);
    expect(records.liveOf("base").stopReason).toBe("timeout");
  });

  test("a timeout during a back-off fails the stage too", () => {
    const records = new MemoryRecords([{ name: "base", timeoutSeconds: 1 }]);
    records.look();
    records.fail(records.liveOf("base"), 77);
    records.look();
    records.wait(1_000);
    records.look();
    expect(records.stage("base")).toMatchObject({ state: "FAILED", reason: "timeout" });
  });
});
