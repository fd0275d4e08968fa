import { createHash } from "node:crypto";
import { sha256 } from "../../src/core/hash.ts";
import type { RunPlan, StagePlan } from "./plan/types.ts";

const rowsAStep = 4;

/** What a run comes to when nothing happens to it, computed without running it. */
export interface Expected {
  /** By `<stage>/<shard>`: the state after each step, from 0 on. */
  digests: Map<string, string[]>;
  /** By `<stage>/<shard>/<kind>`: content hash of the output. */
  outputs: Map<string, string>;
  /** Stages whose gate does not hold. */
  failedGates: Set<string>;
  /** Stages that cannot run because of one. */
  cancelled: Set<string>;
}

/** The same arithmetic as worker.py, written a second time. */
export function expectedOf(run: RunPlan): Expected {
  const expected: Expected = {
    digests: new Map(),
    outputs: new Map(),
    failedGates: new Set(),
    cancelled: new Set(),
  };
  const byName = new Map(run.stages.map((stage) => [stage.name, stage]));
  for (const stage of run.stages) {
    if (stage.needs.some((need) => expected.failedGates.has(need) || expected.cancelled.has(need))) {
      expected.cancelled.add(stage.name);
      continue;
    }
    const inputs = stage.needs.flatMap((need) => {
      const other = byName.get(need)!;
      return other.outputs.flatMap((kind) =>
        shardsOf(other).map((shard) => expected.outputs.get(`${need}/${shard}/${kind}`)!),
      );
    });
    for (const shard of shardsOf(stage)) {
      const digests = digestsOf(`${run.seed}/${stage.name}/${shard}/${inputs.join(",")}`, stage.steps);
      expected.digests.set(`${stage.name}/${shard}`, digests);
      for (const kind of stage.outputs) {
        expected.outputs.set(
          `${stage.name}/${shard}/${kind}`,
          contentHash(kind, digests.at(-1)!, stage.steps),
        );
      }
    }
    if (stage.gate !== null && !(lossOf(stage, expected) < stage.gate)) expected.failedGates.add(stage.name);
  }
  return expected;
}

function shardsOf(stage: StagePlan): number[] {
  return Array.from({ length: stage.shards }, (_, shard) => shard);
}

function digestsOf(start: string, steps: number): string[] {
  const digests = [sha256(start)];
  for (let step = 0; step < steps; step++) {
    const rows = Buffer.alloc(4 * rowsAStep);
    for (let row = 0; row < rowsAStep; row++) rows.writeUInt32LE(step * rowsAStep + row, 4 * row);
    digests.push(
      createHash("sha256")
        .update(Buffer.from(digests.at(-1)!, "hex"))
        .update(rows)
        .digest("hex"),
    );
  }
  return digests;
}

function contentHash(kind: string, digest: string, step: number): string {
  // As Python's json.dumps writes it.
  const text = `{"kind": "${kind}", "digest": "${digest}", "step": ${step}}`;
  return sha256(`result.json ${text.length} ${sha256(text)}\n`);
}

/** The mean over the shards, as the control plane merges it. */
function lossOf(stage: StagePlan, { digests }: Expected): number {
  const losses = shardsOf(stage).map(
    (shard) => Number.parseInt(digests.get(`${stage.name}/${shard}`)!.at(-1)!.slice(0, 4), 16) / 65536,
  );
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}
