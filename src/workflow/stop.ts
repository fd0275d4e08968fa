import type { AttemptRow, NodeRow } from "../core/rows.ts";
import type { World } from "./world.ts";

/** Asks a live attempt to save and leave; its agent learns it from the next answer. */
export function requestStop(world: World, attempt: AttemptRow, reason: string): void {
  const stage = world.stage(world.shard(attempt.shardId).stageId);
  world.record(
    {
      runId: stage.runId,
      stageId: stage.id,
      attemptId: attempt.id,
      type: "attempt.stop_requested",
      data: { reason },
      changes: [
        {
          table: "Attempt",
          id: attempt.id,
          expect: { state: attempt.state, exitedAt: null },
          set: { state: "STOPPING", stopAt: world.now, stopReason: reason },
        },
      ],
    },
    attempt.nodeId ? [{ topic: world.policy.nodeQueue(attempt.nodeId), key: `stop-${attempt.id}` }] : [],
  );
}

export function nodeOf(world: World, attempt: AttemptRow): NodeRow | undefined {
  return world.rows.nodes.find((node) => node.id === attempt.nodeId);
}
