import { describe, expect, test } from "vitest";
import { defaultTimes } from "../../src/core/times.ts";
import { transactionsOf } from "../../src/workflow/transactions.ts";
import { MemoryRecords } from "../support/memory-records.ts";

const types = (records: MemoryRecords) => records.look().actions.map(({ happening }) => happening.type);

describe("places", () => {
  test("NPUs are leased, never twice, and freed at the end", () => {
    const records = new MemoryRecords([{ name: "base", shards: 3, npus: 4 }]);
    records.nodes[0]!.npus = 8;
    records.look();
    expect(records.live()).toHaveLength(2);
    expect([...records.rows.Lease.values()].map((lease) => lease.device).sort()).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7,
    ]);
    records.succeed(records.live()[0]!);
    records.look();
    expect(records.rows.Lease.size).toBe(8);
  });

  test("a node without the engine, without NPUs, or silent gets nothing", () => {
    const records = new MemoryRecords([{ name: "base", npus: 1 }]);
    records.nodes.push(
      { id: "n2", engines: ["container"], npus: 8, slots: 1, heartbeatAt: records.now },
      {
        id: "n3",
        engines: ["process"],
        npus: 8,
        slots: 1,
        heartbeatAt: new Date(records.now.getTime() - defaultTimes.nodeSilence),
      },
    );
    expect(types(records)).toEqual(["stage.ready"]);
    records.nodes[2]!.heartbeatAt = records.now;
    expect(types(records)).toEqual(["attempt.opened"]);
  });

  test("a run of higher priority comes first, then the one that was submitted first", () => {
    const records = new MemoryRecords([{ name: "base", shards: 2 }]);
    records.nodes[0]!.slots = 1;
    records.wait(1000);
    records.submit("r2", [{ name: "base", with: { of: 2 } }], { priority: 5 });
    records.look();
    expect(records.live().map(({ id }) => id)).toEqual(["r2-base-g1-s0-e1"]);
    records.succeed(records.live()[0]!);
    records.look();
    expect(records.live().map(({ id }) => id)).toEqual(["r1-base-g1-s0-e1"]);
  });

  test("runs that change places in one look are written in one transaction, others apart", () => {
    const records = new MemoryRecords([{ name: "base" }, { name: "tune", needs: ["base"] }]);
    records.nodes[0]!.slots = 3;
    records.look();
    const other = [
      { name: "base", with: { of: 2 } },
      { name: "tune", needs: ["base"] },
    ];
    records.submit("r2", other, { priority: 5 });
    records.submit("r3", [{ name: "base", with: { of: 3 } }]);
    records.look();
    for (const attempt of records.live()) records.succeed(attempt);
    const leases = [...records.rows.Lease.values()];
    const { actions } = records.look();
    const devices = (run: string) =>
      [...records.rows.Lease.values(), ...leases]
        .filter(({ attemptId }) => attemptId.startsWith(run))
        .map(({ device }) => device);
    expect([devices("r1"), devices("r2")]).toEqual([
      [-2, -1],
      [-1, -2],
    ]);
    const runs = transactionsOf(actions, leases).map((of) => new Set(of.map((one) => one.happening.runId)));
    expect(runs).toEqual([new Set(["r1", "r2"]), new Set(["r3"])]);
  });

  test("at most `concurrency` shards of a stage run at once, and others use the room", () => {
    const records = new MemoryRecords([{ name: "wide", shards: 5, concurrency: 2 }, { name: "other" }]);
    records.nodes[0]!.slots = 4;
    records.look();
    const running = () => records.live().map(({ shardId }) => shardId.replace("r1-", ""));
    expect(running()).toEqual(["wide-g1-s0", "wide-g1-s1", "other-g1-s0"]);
    records.succeed(records.liveOf("wide"));
    records.look();
    expect(running()).toEqual(["wide-g1-s1", "other-g1-s0", "wide-g1-s2"]);
  });

  test("NPUs of the fullest node are kept for an attempt that needs more than are free, and smaller ones go elsewhere", () => {
    const records = new MemoryRecords([{ name: "small", shards: 2, npus: 2 }]);
    records.nodes[0]!.npus = 8;
    records.look();
    records.wait(1000);
    records.submit("r2", [{ name: "big", npus: 8 }]);
    records.wait(1000);
    records.submit("r3", [{ name: "late", npus: 1 }]);
    records.look();
    expect(records.live().map(({ id }) => id)).toEqual(["r1-small-g1-s0-e1", "r1-small-g1-s1-e1"]);
    for (const attempt of records.live()) records.succeed(attempt);
    records.look();
    expect(records.live().map(({ id }) => id)).toEqual(["r2-big-g1-s0-e1"]);
    records.nodes.push({ id: "n2", engines: ["process"], npus: 1, slots: 1, heartbeatAt: records.now });
    records.look();
    expect(records.live().map(({ id }) => id)).toContain("r3-late-g1-s0-e1");
  });

  test("a wide stage: a snapshot holds a window of those that wait, and the counts of all", () => {
    const records = new MemoryRecords([
      { name: "wide", shards: 1_000 },
      { name: "after", needs: ["wide"] },
    ]);
    records.nodes[0]!.slots = 64;
    records.window = 80;
    let looks = 0;
    while (records.stage("wide").state !== "SUCCEEDED") {
      records.look();
      for (const attempt of records.live()) if (attempt.shardId.includes("wide")) records.succeed(attempt);
      if (looks++ > 400) throw new Error(records.states());
    }
    expect(records.attempts("wide")).toHaveLength(1_000);
    expect(records.stage("after").state).toBe("RUNNING");
  });

  test("a fork whose checkpoint vanished before it was placed fails, and does not begin at step 0", () => {
    const records = new MemoryRecords([{ name: "old" }, { name: "tune" }]);
    records.look();
    const old = records.liveOf("old");
    records.artifact(old, "checkpoint", { step: 8 });
    records.nodes[0]!.slots = 0;
    records.set("Stage", "r1-tune-g1", { startFrom: `${old.id}-checkpoint-8` });
    expect(records.stage("tune").state).toBe("RUNNING");
    records.fail(records.liveOf("tune"), 137, { signal: "SIGKILL", exitCode: null });
    records.look();
    records.set("Artifact", `${old.id}-checkpoint-8`, { goneAt: records.now });
    records.nodes[0]!.slots = 2;
    records.wait(defaultTimes.backoffLimit);
    records.look();
    expect(records.stage("tune")).toMatchObject({ state: "FAILED", reason: "data_error" });
  });
});
