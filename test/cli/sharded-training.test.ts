import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PasAudit } from "../../src/views/pas-audit.ts";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";
import { artifactsOf, runNamed } from "../support/json-lines.ts";
import { corpusAndBase, heldout, perplexityOptions, schedule } from "../support/tiny-pipeline.ts";

// Real stages on MindSpore behind the real control plane: perplexity in shards, the order over all of them, training.

const pipeline = `
version: 1
name: sharded
model: tiny
stages:${corpusAndBase}
  perplexity:
    uses: perplexity
    needs: [corpus, base]
    shards: 3
    concurrency: 2
    with:${perplexityOptions}
    gate: {metric: documents, at_least: 240}
  midtrain:
    uses: midtrain
    needs: [perplexity, base, corpus]
    with: {steps: 20, batch: 4, pas: {lambda: 5, max_passes: 50}, ${schedule}, ${heldout}}
    checkpoint: {every: 5, keep: 2}
    gate: {metric: heldout_loss_after, below: heldout_loss_before}
`;

function shardOf(folder: string): number {
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
    producer: { shard: number };
  };
  return manifest.producer.shard;
}

let line: CommandLine;
let run: string;
let packed: string[];
beforeAll(async () => {
  line = openCommandLine({ kinds: ["base", "perplexity", "midtrain"] });
  expect((await line.legalone("up")).code).toBe(0);
});
afterAll(() => line.close());

test("perplexity in three shards feeds one order and one training", { timeout: 400_000 }, async () => {
  const outcome = await line.legalone("train", line.pipeline("sharded", pipeline), "--json");
  run = runNamed(outcome);
  expect(outcome).toMatchObject({ code: 0 });
  packed = artifactsOf(await line.legalone("status", run, "--json"), "perplexity")
    .map(({ uri }) => fileURLToPath(uri))
    .sort((a, b) => shardOf(a) - shardOf(b));
  expect(packed).toHaveLength(3);
  const scored = packed.flatMap((folder) =>
    readFileSync(join(folder, "scores.jsonl"), "utf8").trim().split("\n"),
  );
  expect(new Set(scored.map((text) => (JSON.parse(text) as { id: string }).id)).size).toBe(240);

  const attempts = join(line.home, "attempts");
  const folder = readdirSync(attempts).find((name) => name.includes("-midtrain-"))!;
  const order = JSON.parse(readFileSync(join(attempts, folder, "order/order.json"), "utf8")) as {
    orderSha256: string;
    parts: number[];
    cells: { sequences: number }[];
  };
  const sequences = packed.map((folder) => {
    const { cells } = JSON.parse(readFileSync(join(folder, "cells.json"), "utf8")) as typeof order;
    return cells.reduce((sum, cell) => sum + cell.sequences, 0);
  });
  expect(order.parts).toEqual(sequences);
  expect(order.cells.reduce((sum, cell) => sum + cell.sequences, 0)).toBe(sequences.reduce((a, b) => a + b));

  // The same order without the control plane: from the newest run, and from the folders in order.
  const file = join(line.home, "sharded.yaml");
  const previews = [[], packed.flatMap((folder) => ["--packed", folder])].map(async (words) => {
    const { stdout } = await line.legalone("pas", "preview", file, "--json", ...words);
    return (JSON.parse(stdout) as { orderSha256: string }).orderSha256;
  });
  expect(await Promise.all(previews)).toEqual([order.orderSha256, order.orderSha256]);
});

const audit = async (...words: string[]) => {
  const { code, stdout } = await line.legalone("pas", "audit", ...words, "--json");
  return { code, audit: JSON.parse(stdout) as PasAudit };
};

/** The fork's change is an amendment at its step: in the order, the records, the lineage and every view of it. */
async function amended(fork: string, left: string, seen: PasAudit): Promise<void> {
  expect(seen.segments).toMatchObject([
    { from: 0, to: 15, lambda: 5 },
    { from: 15, to: 20, lambda: 0 },
  ]);
  for (const { farthest } of seen.segments) expect(farthest).toBeLessThan(1);
  expect(seen.forks).toMatchObject([{ step: 15, left, order: seen.order.orderSha256 }]);
  expect(seen.forks[0]!.changed.join()).toMatch(/pas\.amendments was \[\] and is .*'step': 15/);
  const rows = [run, fork].map((one) =>
    readFileSync(join(line.home, "attempts", `${one}-midtrain-g1-s0-e1`, "order/order.rows.bin")),
  );
  expect(rows[1]!.subarray(0, 4 * 4 * 15)).toEqual(rows[0]!.subarray(0, 4 * 4 * 15));
  const lineage = await line.legalone("lineage", fork, "--stage", "midtrain");
  expect(lineage.stdout).toContain(`order ${left.slice(0, 12)} -> ${seen.order.orderSha256.slice(0, 12)}`);
  const { stdout } = await line.legalone("pas", "explain", "--run", fork, "--step", "16", "--json");
  const step = JSON.parse(stdout) as {
    lambda: number;
    segment: object;
    cells: { rows: number[]; documents: string[][] }[];
  };
  const known = new Set(
    packed.flatMap((folder) =>
      readFileSync(join(folder, "scores.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((text) => (JSON.parse(text) as { id: string }).id),
    ),
  );
  for (const ids of step.cells.flatMap(({ documents }) => documents)) {
    expect(ids.length).toBeGreaterThan(0);
    for (const id of ids) expect(known.has(id)).toBe(true);
  }
  expect(step).toMatchObject({ lambda: 0, segment: { from: 15, to: 20 } });
  const explained = step.cells.flatMap(({ rows }) => rows).sort((a, b) => a - b);
  const consumed = [0, 1, 2, 3].map((n) => rows[1]!.readUInt32LE(4 * (4 * 16 + n))).sort((a, b) => a - b);
  expect(explained).toEqual(consumed);
}

test("what a run consumed is compared with its order", { timeout: 240_000 }, async () => {
  const { code, audit: seen } = await audit(run);
  expect({ code, ...seen }).toMatchObject({ code: 0, equal: true, parts: null, proven: 20, began: 0 });
  // Checkpoints that were pruned still say where they stood.
  expect(seen.attempts.map(({ steps }) => steps)).toEqual([[5, 10, 15, 20]]);
  expect(seen.cells.map(({ consumed }) => consumed)).toEqual(seen.cells.map(({ planned }) => planned));
  expect(seen.cells.reduce((sum, { consumed }) => sum + consumed, 0)).toBe(80);
  expect((await line.legalone("pas", "audit", run)).stdout).toMatch(/^equal: steps 0 to 20 consumed/m);

  const fork = await line.legalone(
    ...["fork", run, "--stage", "midtrain", "--step", "15", "--set", "stages.midtrain.with.pas.lambda=0"],
    "--json",
  );
  const forked = await audit(runNamed(fork));
  expect({ code: forked.code, ...forked.audit }).toMatchObject({
    code: 0,
    equal: true,
    proven: 20,
    began: 15,
  });
  expect(forked.audit.cells.reduce((sum, { consumed }) => sum + consumed, 0)).toBe(20);
  expect(forked.audit.order.orderSha256).not.toBe(seen.order.orderSha256);
  await amended(runNamed(fork), seen.order.orderSha256, forked.audit);

  // Other data in the place of that which was trained on: the attempt's own order shows the step.
  const file = join(packed[0]!, "cells.json");
  const facts = JSON.parse(readFileSync(file, "utf8")) as { cells: { tokens: number }[] };
  facts.cells[0]!.tokens *= 3;
  writeFileSync(file, JSON.stringify(facts));
  const other = await line.legalone("pas", "audit", run);
  expect(other.code).toBe(8);
  expect(other.stdout).toMatch(/^differs at step \d+, in .*-midtrain-g1-s0-e1: orderSha256 /m);

  // Without the data the order folder stands for it.
  renameSync(packed[0]!, `${packed[0]}-away`);
  const { audit: read } = await audit(run);
  expect(read.equal).toBe(true);
  expect(read.order.from).toMatch(/^read from /);
});
