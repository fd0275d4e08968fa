import { describe, expect, test } from "vitest";
import { defaultTimes } from "../../src/core/times.ts";
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
});
