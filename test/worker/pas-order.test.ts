import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { faultsOfEvent } from "../../src/worker/protocol.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "legalone-pas-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sequenceLength = 15;
const cells = [
  { group: "general", band: "low", first: 0, sequences: 20, documents: 4, tokens: 300 },
  { group: "general", band: "high", first: 20, sequences: 0, documents: 0, tokens: 0 },
  { group: "legal", band: "low", first: 20, sequences: 10, documents: 4, tokens: 150 },
  { group: "legal", band: "high", first: 30, sequences: 30, documents: 4, tokens: 450 },
];
const options = {
  pas: { lambda: 5, hold: "none", max_passes: 10 },
  schedule: { warmup: 2, decay: 4, max: 1e-3, min: 1e-5, shape: "linear" },
  batch: 4,
  steps: 12,
};

/** Runs the compiled worker on a job over packed data with the given cells. */
function runWorker(
  changes: {
    with?: object;
    cells?: unknown;
    parts?: object[][];
    longer?: number;
    /** Content hashes of what each part was made from. */
    madeFrom?: string[][];
  } = {},
) {
  const parts = changes.parts?.map((mine, i) => {
    return { sequenceLength: sequenceLength + (changes.longer ?? 0) * i, cells: mine };
  });
  const described = parts ?? [changes.cells ?? { sequenceLength, dtype: "int32", cells }];
  const inputs = described.map((facts, shard) => {
    const packed = join(folder, `packed-${shard}`);
    mkdirSync(packed, { recursive: true });
    writeFileSync(join(packed, "cells.json"), JSON.stringify(facts));
    const parents = changes.madeFrom?.[shard];
    if (parents) writeFileSync(join(packed, "manifest.json"), JSON.stringify({ parents }));
    return { kind: "packed", uri: pathToFileURL(packed).href };
  });
  const job = {
    protocol: 1,
    run: "r1",
    stage: "midtrain",
    stageId: "r1-midtrain-g1",
    kind: "midtrain",
    shard: 0,
    shards: 1,
    attempt: "r1-midtrain-g1-s0-e1",
    epoch: 1,
    inputs,
    with: { ...options, ...changes.with },
    seed: 7,
    folder,
    output: join(folder, "output"),
    events: join(folder, "events.jsonl"),
  };
  writeFileSync(join(folder, "job.json"), JSON.stringify(job));
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(packageRoot, "dist/worker/pas-order.js"), "--job", join(folder, "job.json")],
    { encoding: "utf8" },
  );
  const events = readFileSync(job.events, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { status, stderr, events };
}

const orderFile = () => JSON.parse(readFileSync(join(folder, "order/order.json"), "utf8"));

describe("pas-order", () => {
  it("writes the order over the packed rows, and no result", () => {
    const { status, events } = runWorker();
    expect(status).toBe(0);
    expect(events.map(({ type }) => type)).toEqual(["started", "phase"]);
    for (const event of events) expect(faultsOfEvent(event)).toEqual([]);
    expect(readdirSync(join(folder, "order")).sort()).toEqual(["order.idx", "order.json", "order.rows.bin"]);

    const order = orderFile();
    // general 0.4; legal 0.6 by tokens: 150 of 600 and 450 of 600.
    expect(order.cells.map(({ weight }: { weight: number }) => weight)).toEqual([
      0.4,
      0,
      expect.closeTo(0.15),
      expect.closeTo(0.45),
    ]);
    expect(order.perStep.p).toHaveLength(12);
    expect(order.orderSha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it("writes an index that names the same rows", () => {
    runWorker();
    const rows = readFileSync(join(folder, "order/order.rows.bin"));
    const index = readFileSync(join(folder, "order/order.idx"));
    const count = 48;
    expect(rows).toHaveLength(4 * count);
    expect(index).toHaveLength(34 + 4 * count + 8 * count + 8 * (count + 1));
    expect(index.toString("latin1", 0, 9)).toBe("MMIDIDX\0\0");
    expect([
      index.readBigUInt64LE(9),
      index.readUInt8(17),
      index.readBigUInt64LE(18),
      index.readBigUInt64LE(26),
    ]).toEqual([1n, 4, 48n, 49n]);
    const taken = [0, 0, 0, 0];
    for (let n = 0; n < count; n++) {
      const row = rows.readUInt32LE(4 * n);
      expect(index.readInt32LE(34 + 4 * n)).toBe(sequenceLength + 1);
      expect(Number(index.readBigInt64LE(34 + 4 * count + 8 * n))).toBe(row * 4 * (sequenceLength + 1));
      expect(Number(index.readBigInt64LE(34 + 12 * count + 8 * n))).toBe(n);
      taken[cells.findIndex(({ first, sequences }) => row >= first && row < first + sequences)]!++;
    }
    const counts = orderFile().perStep.count as number[][];
    expect(taken).toEqual(counts.reduce((sum, step) => sum.map((value, i) => value + step[i]!)));
  });

  it("reads the shards of a stage as one: the same order over the same counts, and an index over all data.bin", () => {
    runWorker();
    const whole = orderFile();
    const wholeRows = readFileSync(join(folder, "order/order.rows.bin"));
    const cell = (group: string, band: string, first: number, sequences: number) => {
      return { group, band, first, sequences, documents: 1, tokens: 15 * sequences };
    };
    // general.low 12 + 8, general.high 0, legal.low 10 of shard 1 alone, legal.high 5 + 25; shards have 17 and 43 rows.
    const parts = [
      [
        cell("general", "low", 0, 12),
        cell("general", "high", 12, 0),
        cell("legal", "low", 12, 0),
        cell("legal", "high", 12, 5),
      ],
      [cell("legal", "low", 0, 10), cell("legal", "high", 10, 25), cell("general", "low", 35, 8)],
    ];
    const { status } = runWorker({ parts });
    expect(status).toBe(0);
    const order = orderFile();
    expect(order.orderSha256).toBe(whole.orderSha256);
    expect(order.cells).toEqual(whole.cells);
    expect(readFileSync(join(folder, "order/order.rows.bin"))).toEqual(wholeRows);
    expect(whole).not.toHaveProperty("runs");
    expect(order.parts).toEqual([17, 43]);
    expect(order.runs).toEqual([
      { row: 0, part: 0, first: 0, sequences: 12 },
      { row: 12, part: 1, first: 35, sequences: 8 },
      { row: 20, part: 1, first: 0, sequences: 10 },
      { row: 30, part: 0, first: 12, sequences: 5 },
      { row: 35, part: 1, first: 10, sequences: 25 },
    ]);
    const index = readFileSync(join(folder, "order/order.idx"));
    const entries = new Map<number, number>();
    for (let n = 0; n < 48; n++) {
      const pointer = Number(index.readBigInt64LE(34 + 4 * 48 + 8 * n)) / (4 * (sequenceLength + 1));
      entries.set(wholeRows.readUInt32LE(4 * n), pointer);
    }
    // Row 12 is row 35 of the second part, whose entries come after the 17 of the first.
    const places = {
      0: 0,
      11: 11,
      12: 17 + 35,
      19: 17 + 42,
      20: 17,
      30: 12,
      34: 16,
      35: 17 + 10,
      59: 17 + 34,
    };
    for (const [row, place] of Object.entries(places)) {
      if (entries.has(Number(row))) expect([row, entries.get(Number(row))]).toEqual([row, place]);
    }
    expect(entries.size).toBeGreaterThan(20);
    for (const [row, place] of entries) {
      const run = order.runs.findLast((one: { row: number }) => one.row <= row);
      expect(place).toBe([0, 17][run.part]! + run.first + row - run.row);
    }
  });

  it("makes the order anew when shards of the same counts lie otherwise", () => {
    const cell = (first: number, sequences: number) => ({
      ...cells[0],
      first,
      sequences,
      tokens: 15 * sequences,
    });
    runWorker({ parts: [[cell(0, 5)], [cell(0, 15)]] });
    const made = statSync(join(folder, "order/order.json")).ino;
    runWorker({ parts: [[cell(0, 5)], [cell(0, 15)]] });
    expect(statSync(join(folder, "order/order.json")).ino).toBe(made);
    runWorker({ parts: [[cell(0, 15)], [cell(0, 5)]] });
    expect(orderFile().parts).toEqual([15, 5]);
  });

  it("leaves an order of the same inputs alone and replaces one of others", () => {
    runWorker();
    const made = statSync(join(folder, "order/order.json")).ino;
    runWorker();
    expect(statSync(join(folder, "order/order.json")).ino).toBe(made);
    runWorker({ with: { batch: 5 } });
    expect(orderFile().batch).toBe(5);
    expect(readdirSync(folder).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  it("takes weights by group and by band, and steps from tokens", () => {
    runWorker({
      with: {
        steps: null,
        tokens: 601,
        pas: { ...options.pas, weights: { general: 1, legal: { low: 0.5, high: 0.5 } } },
      },
    });
    const order = orderFile();
    expect(order.cells.map(({ weight }: { weight: number }) => weight)).toEqual([0.5, 0, 0.25, 0.25]);
    expect(order.steps).toBe(11);
  });

  it("takes a group without a sequence where its weight is written as 0", () => {
    const described = { sequenceLength, cells, thresholds: { general: {}, legal: {}, synthetic: {} } };
    const weights = { synthetic: 0 };
    expect(runWorker({ cells: described, with: { pas: { ...options.pas, weights } } }).status).toBe(0);
    expect(orderFile().cells[0].weight).toBe(0.4);
  });

  it("counts amendments as segments of their own, and has a seed of its own", () => {
    runWorker();
    const before = orderFile();
    const rows = readFileSync(join(folder, "order/order.rows.bin"));
    const amendments = [{ step: 6, lambda: 0, weights: { general: 0 } }];
    runWorker({ with: { pas: { ...options.pas, amendments } } });
    const order = orderFile();
    expect(order.amendments).toEqual([
      { step: 6, lambda: 0, hold: "none", weights: [0, 0, expect.closeTo(0.25), expect.closeTo(0.75)] },
    ]);
    expect(readFileSync(join(folder, "order/order.rows.bin")).subarray(0, 4 * 24)).toEqual(
      rows.subarray(0, 4 * 24),
    );
    expect(order.perStep.count.slice(6).map(([general]: number[]) => general)).toEqual([0, 0, 0, 0, 0, 0]);
    runWorker({ with: { pas: { ...options.pas, seed: 8 } } });
    expect(orderFile()).toMatchObject({ seed: 8, perStep: before.perStep });
    expect(orderFile().orderSha256).not.toBe(before.orderSha256);
  });

  it("warns above four passes and refuses above max_passes", () => {
    const warned = runWorker({ with: { steps: 80 } });
    expect(warned.status).toBe(0);
    const warnings = warned.events.filter(({ type }) => type === "warning").map(({ message }) => message);
    expect(warnings).toContain("general/low is gone through 6.7 times; over 4 repeats data");
    const refused = runWorker({ with: { steps: 81, pas: { ...options.pas, max_passes: 4 } } });
    expect(refused.status).toBe(64);
    expect(refused.events.at(-1)).toMatchObject({
      type: "result",
      status: "failed",
      reason: "user_error",
      hint: expect.stringContaining("max_passes"),
    });
  });

  it.each([
    [
      "an unknown group of weights",
      { with: { pas: { ...options.pas, weights: { genral: 1 } } } },
      64,
      /names genral, but the data has general.low/,
    ],
    [
      "a weight of an empty cell",
      { with: { pas: { ...options.pas, weights: { general: { low: 0.3, high: 0.1 } } } } },
      64,
      /gives a weight to general\.high, which has no sequences/,
    ],
    [
      "weights that are all 0",
      { with: { pas: { ...options.pas, weights: { general: 0, legal: 0 } } } },
      64,
      /no cell has a weight above 0/,
    ],
    ["a batch that is no whole number", { with: { batch: 1.5 } }, 64, /batch is 1\.5; expected a whole/],
    ["a schedule that is too long", { with: { steps: 5 } }, 64, /longer than the 5 steps/],
    [
      "shards of two sequence lengths",
      { parts: [[cells[0]!], [cells[0]!]], longer: 1 },
      65,
      /one sequence length; saw 15, 16/,
    ],
    [
      "a shard from another corpus",
      {
        parts: [[cells[0]!], [cells[0]!]],
        madeFrom: [
          ["corpus-a", "model"],
          ["corpus-b", "model"],
        ],
      },
      65,
      /packed-1 was made from other inputs \(corpus, model\) than .*packed-0/,
    ],
    [
      "a group without a sequence",
      { cells: { sequenceLength, cells, thresholds: { general: {}, legal: {}, synthetic: {} } } },
      64,
      /synthetic has documents but no sequence/,
    ],
    [
      "an amendment that gives an empty cell a weight",
      { with: { pas: { ...options.pas, amendments: [{ step: 4, weights: { general: { high: 1 } } }] } } },
      64,
      /gives a weight to general\.high, which has no sequences/,
    ],
    ["broken packed data", { cells: { cells: [] } }, 65, /does not describe packed data/],
  ])("ends with a reason for %s", (_, changes, code, message) => {
    const { status, events, stderr } = runWorker(changes);
    expect(status).toBe(code);
    expect(stderr).toMatch(message);
    expect(events.at(-1)).toMatchObject({ type: "result", status: "failed" });
    expect(faultsOfEvent(events.at(-1))).toEqual([]);
    expect(existsSync(join(folder, "order"))).toBe(false);
  });
});
