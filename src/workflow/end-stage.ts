import type { Change } from "../core/changes.ts";
import type { ShardRow, StageResult, StageRow } from "../core/rows.ts";
import type { World } from "./world.ts";

type StageEnding = Partial<StageRow> & Required<Pick<StageRow, "state" | "reason">>;

/** Ends a stage. Its waiting shards end with it. */
export function endStage(world: World, stage: StageRow, ending: StageEnding): void {
  const waiting = world.tallies.of(stage.id, "PENDING") > 0;
  const state = ending.state === "SKIPPED" ? "SUCCEEDED" : "CANCELLED";
  const shards: Change = { table: "Shard", all: { stageId: stage.id, state: "PENDING" }, set: { state } };
  const { state: became, reason, cause = null, message = null } = ending;
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    type: "stage.ended",
    data: { name: stage.name, state: became, reason, cause, message },
    changes: [
      {
        table: "Stage",
        id: stage.id,
        expect: { state: stage.state, desired: stage.desired },
        set: { ...ending, cause, message, endedAt: world.now },
      },
      ...(waiting ? [shards] : []),
    ],
  });
}

/** Metrics of a split stage are the means over its shards; summaries are kept by shard. */
export function mergeResults(shards: readonly ShardRow[]): StageResult {
  const results = shards.map((shard) => shard.result ?? { metrics: {}, summary: {} });
  if (results.length === 1) return results[0]!;
  const names = new Set(results.flatMap((result) => Object.keys(result.metrics)));
  const metrics = Object.fromEntries(
    [...names].map((name) => {
      const values = results.flatMap((result) => result.metrics[name] ?? []);
      return [name, values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null];
    }),
  );
  return { metrics, summary: { shards: results.map((result) => result.summary) } };
}
