import type { Change } from "../core/changes.ts";
import { stageId } from "../core/ids.ts";

export interface StageToInsert {
  name: string;
  kind: string;
  position: number;
  generation: number;
  shards: number;
  codeHash: string;
  spec: object;
  /** Takes nothing from the cache. */
  fresh?: boolean;
  /** Checkpoint of another run to go on from. */
  startFrom?: string | null;
}

/** Inserts of a stage and its shards. One that is not wanted is recorded as CANCELLED, and can be resumed into. */
export function newStageRows(runId: string, stage: StageToInsert, now: Date, wanted: boolean): Change[] {
  const id = stageId(runId, stage.name, stage.generation);
  const insert: Change = {
    table: "Stage",
    insert: {
      id,
      runId,
      name: stage.name,
      kind: stage.kind,
      generation: stage.generation,
      position: stage.position,
      state: wanted ? "PENDING" : "CANCELLED",
      desired: wanted ? "RUN" : "STOP",
      spec: stage.spec,
      codeHash: stage.codeHash,
      cacheKey: null,
      cachedFrom: null,
      waitsFor: null,
      fresh: stage.fresh ?? false,
      startFrom: stage.startFrom ?? null,
      reason: wanted ? null : "not_requested",
      cause: wanted ? null : "OPERATOR",
      message: null,
      result: null,
      createdAt: now,
      startedAt: null,
      endedAt: wanted ? null : now,
    },
  };
  const state = wanted ? "PENDING" : "CANCELLED";
  return [insert, { table: "Shard", fill: { stageId: id, count: stage.shards, state } }];
}
