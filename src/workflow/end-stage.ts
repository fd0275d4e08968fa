import type { Change } from "../core/changes.ts";
import type { StageRow } from "../core/rows.ts";
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
