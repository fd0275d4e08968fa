import { applyChange, emptyRows, type Happening, type RowMaps } from "../core/changes.ts";
import type { OpenRows } from "../core/rows.ts";
import {
  type ArtifactRow,
  type AttemptRow,
  type GateRow,
  newestOfShard,
  type RunRow,
  type ShardRow,
  type StageRow,
  type TableName,
} from "../core/rows.ts";
import { isLive } from "./states.ts";
import type { Action, Bell, Observations, Policy } from "./types.ts";

/**
 * The rows while decisions are made: every action is applied here at once, so that what follows from it (a stage's
 * end, gates, the next attempt) is decided in the same pass and committed together.
 */
export class World {
  readonly actions: Action[] = [];
  readonly lookups = new Set<string>();
  readonly runs: ReadonlyMap<string, RunRow>;
  readonly tables: RowMaps = emptyRows();
  readonly rows: OpenRows;
  readonly observations: Observations;
  readonly now: Date;
  readonly policy: Policy;
  /** Ids of the newest generation, by run and name. */
  readonly #current = new Map<string, Map<string, string>>();
  readonly #shards = new Map<string, string[]>();

  constructor(rows: OpenRows, observations: Observations, now: Date, policy: Policy) {
    this.rows = rows;
    this.observations = observations;
    this.now = now;
    this.policy = policy;
    this.runs = new Map(rows.runs.map((run) => [run.id, run]));
    this.#fill("Stage", rows.stages);
    this.#fill("Shard", rows.shards);
    this.#fill("Attempt", rows.attempts);
    this.#fill("Artifact", rows.artifacts);
    this.#fill("Gate", rows.gates);
    this.#fill("Lease", rows.leases);
    for (const stage of [...rows.stages].sort((a, b) => a.generation - b.generation)) {
      const names = this.#current.get(stage.runId) ?? new Map<string, string>();
      this.#current.set(stage.runId, names.set(stage.name, stage.id));
    }
    for (const shard of [...rows.shards].sort((a, b) => a.index - b.index)) {
      this.#shards.set(shard.stageId, [...(this.#shards.get(shard.stageId) ?? []), shard.id]);
    }
  }

  #fill(table: TableName, rows: readonly { id: string }[]): void {
    const map = this.tables[table] as unknown as Map<string, { id: string }>;
    for (const row of rows) map.set(row.id, row);
  }

  /** Decides something: it is applied to these rows now and to the records later. */
  record(happening: Happening, bells: Bell[] = []): void {
    for (const change of happening.changes) applyChange(this.tables, change);
    this.actions.push({ happening, bells });
  }

  /** Adds an artifact of another run, which stages of this one take over. */
  learn(artifact: ArtifactRow): void {
    this.tables.Artifact.set(artifact.id, artifact);
  }

  stage(id: string): StageRow {
    return required(this.tables.Stage.get(id), id);
  }

  shard(id: string): ShardRow {
    return required(this.tables.Shard.get(id), id);
  }

  run(id: string): RunRow {
    return required(this.runs.get(id), id);
  }

  /** Stages of the newest generation in the order of the pipeline. */
  currentStages(runId: string): StageRow[] {
    const ids = [...(this.#current.get(runId)?.values() ?? [])];
    return ids.map((id) => this.stage(id)).sort((a, b) => a.position - b.position);
  }

  currentStage(runId: string, name: string): StageRow | undefined {
    const id = this.#current.get(runId)?.get(name);
    return id === undefined ? undefined : this.stage(id);
  }

  shardsOf(stageId: string): ShardRow[] {
    return (this.#shards.get(stageId) ?? []).map((id) => this.shard(id));
  }

  liveAttempts(): AttemptRow[] {
    return [...this.tables.Attempt.values()].filter(isLive);
  }

  liveAttemptOf(shardId: string): AttemptRow | undefined {
    return this.liveAttempts().find((attempt) => attempt.shardId === shardId);
  }

  gatesOf(stageId: string): GateRow[] {
    return [...this.tables.Gate.values()].filter((gate) => gate.stageId === stageId);
  }

  /** Committed outputs that dependents of a stage get, shards in order. */
  outputsOf(stage: StageRow): ArtifactRow[] {
    const source = stage.cachedFrom ?? stage.id;
    const own = [...this.tables.Artifact.values()].filter(
      (artifact) => artifact.stageId === source && artifact.kind !== "checkpoint",
    );
    return newestOfShard(own);
  }

  /** `at` milliseconds after `time` is over. */
  isPast(time: Date | null, ms = 0): boolean {
    return time !== null && time.getTime() + ms <= this.now.getTime();
  }
}

function required<T>(row: T | undefined, id: string): T {
  if (row === undefined) throw new Error(`the snapshot lacks ${id}`);
  return row;
}
