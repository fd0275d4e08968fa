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
function runWorker(changes: { with?: object; cells?: unknown } = {}) {
  const packed = join(folder, "packed");
  mkdirSync(packed, { recursive: true });
  writeFileSync(
    join(packed, "cells.json"),
    JSON.stringify(changes.cells ?? { sequenceLength, dtype: "int32", cells }),
  );
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
    inputs: [{ kind: "packed", uri: pathToFileURL(packed).href }],
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
    ["a schedule that is too long", { with: { steps: 5 } }, 64, /longer than the 5 steps/],
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
