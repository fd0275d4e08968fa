import { applyChange, type Change, emptyRows, type Happening, type RowMaps } from "../core/changes.ts";
import type { OpenRows } from "../core/rows.ts";
import {
  type ArtifactRow,
  type AttemptRow,
  type GateRow,
  type LeaseRow,
  newestOfShard,
  type RunRow,
  type ShardRow,
  type ShardState,
  type StageRow,
} from "../core/rows.ts";
import { Places } from "./places.ts";
import { RowIndex } from "./row-index.ts";
import { isLive, isStageEnded } from "./states.ts";
import { Tallies } from "./tallies.ts";
import type { Action, Bell, Observations, Policy } from "./types.ts";

/**
 * The rows while decisions are made: every action is applied here at once, so that what follows from it (a stage's
 * end, gates, the next attempt) is decided in the same pass and committed together.
 */
export class World {
  readonly actions: Action[] = [];
  readonly lookups = new Set<string>();
  /** Attempts that would be given up, had not most nodes fallen silent together. */
  readonly held: { attempt: AttemptRow; stage: StageRow }[] = [];
  /** Stages that end by this decision, or go back to wait: others see it once it is committed. */
  readonly moved = new Set<string>();
  readonly runs: ReadonlyMap<string, RunRow>;
  readonly tables: RowMaps = emptyRows();
  readonly tallies: Tallies;
  readonly rows: OpenRows;
  readonly observations: Observations;
  readonly now: Date;
  readonly policy: Policy;
  /** Runs about which nothing is decided. */
  readonly #aside: ReadonlySet<string>;
  /** Runs that end without a look at their configuration. */
  readonly #plain: ReadonlySet<string>;
  /** Ids of the newest generation, by run and name. */
  readonly #current = new Map<string, Map<string, string>>();
  #nodes: Places | undefined;
  readonly #byKey = new RowIndex();
  readonly #generations = new RowIndex();
  readonly #shards = new RowIndex();
  readonly #attempts = new RowIndex();
  readonly #leases = new RowIndex();
  readonly #leasesOfNode = new RowIndex();
  readonly #artifacts = new RowIndex();
  readonly #artifactsOfStage = new RowIndex();
  readonly #gates = new RowIndex();

  constructor(
    rows: OpenRows,
    observations: Observations,
    now: Date,
    policy: Policy,
    { aside, plain }: { aside: ReadonlySet<string>; plain: ReadonlySet<string> },
  ) {
    this.#aside = aside;
    this.#plain = plain;
    this.rows = rows;
    this.observations = observations;
    this.now = now;
    this.policy = policy;
    this.runs = new Map(rows.runs.map((run) => [run.id, run]));
    this.tallies = new Tallies(rows.tallies);
    for (const stage of [...rows.stages].sort((a, b) => a.generation - b.generation)) {
      this.tables.Stage.set(stage.id, stage);
      if (stage.cacheKey !== null) this.#byKey.add(stage.cacheKey, stage.id);
      this.#generations.add(`${stage.runId} ${stage.name}`, stage.id);
      const names = this.#current.get(stage.runId) ?? new Map<string, string>();
      this.#current.set(stage.runId, names.set(stage.name, stage.id));
    }
    for (const shard of [...rows.shards].sort((a, b) => a.index - b.index)) {
      this.tables.Shard.set(shard.id, shard);
      this.#shards.add(shard.stageId, shard.id);
    }
    for (const insert of rows.attempts) this.#insert({ table: "Attempt", insert });
    for (const insert of rows.artifacts) this.#insert({ table: "Artifact", insert });
    for (const insert of rows.gates) this.#insert({ table: "Gate", insert });
    for (const insert of rows.leases) this.#insert({ table: "Lease", insert });
  }

  /** Decides something: it is applied to these rows now and to the records later. */
  record(happening: Happening, bells: Bell[] = []): void {
    for (const change of happening.changes) this.#apply(change);
    this.actions.push({ happening, bells });
  }

  /** Adds an artifact of another run, which stages of this one take over. */
  learn(artifact: ArtifactRow): void {
    this.#insert({ table: "Artifact", insert: artifact });
  }

  #apply(change: Change): void {
    if ("insert" in change) {
      this.#insert(change);
      return;
    }
    if ("remove" in change && change.table === "Lease") {
      const lease = this.tables.Lease.get(change.id);
      if (lease) this.#leasesOfNode.remove(lease.nodeId, lease.id);
      if (lease) this.#leases.remove(lease.attemptId, lease.id);
    }
    if (change.table === "Shard" && "set" in change && change.set.state) {
      if ("all" in change) {
        const { stageId, state } = change.all;
        this.tallies.movedAll(stageId as string, state as ShardState, change.set.state);
      } else {
        const { stageId, state } = this.shard(change.id);
        this.tallies.moved(stageId, state, change.set.state);
      }
    }
    if (change.table === "Stage" && "id" in change && "set" in change) this.#follow(change.id, change.set);
    applyChange(this.tables, change);
  }

  /** A stage gets its cache key, or ends: others may wait for it. */
  #follow(id: string, { state, cacheKey }: Partial<StageRow>): void {
    if (cacheKey) this.#byKey.add(cacheKey, id);
    if (state === "PENDING" || (state && isStageEnded({ state }))) this.moved.add(id);
  }

  /** Stages of a cache key, of all runs. */
  stagesOfKey(cacheKey: string): StageRow[] {
    return [...this.#byKey.of(cacheKey)].map((id) => this.stage(id));
  }

  #insert(change: Extract<Change, { insert: unknown }>): void {
    applyChange(this.tables, change);
    const { table, insert } = change;
    if (table === "Attempt") this.#attempts.add(insert.shardId, insert.id);
    if (table === "Artifact") this.#artifacts.add(insert.attemptId, insert.id);
    if (table === "Artifact") this.#artifactsOfStage.add(insert.stageId, insert.id);
    if (table === "Gate") this.#gates.add(insert.stageId, insert.id);
    if (table === "Lease") this.#leases.add(insert.attemptId, insert.id);
    if (table === "Lease") this.#leasesOfNode.add(insert.nodeId, insert.id);
  }

  /** Whether a node that speaks could hold an attempt of a stage, were all of it free. */
  canPlace(stage: StageRow): boolean {
    this.#nodes ??= new Places(this);
    return this.#nodes.fits(stage);
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

  /** All rows of a stage's name, oldest first. */
  generationsOf({ runId, name }: StageRow): StageRow[] {
    return [...this.#generations.of(`${runId} ${name}`)].map((id) => this.stage(id));
  }

  /** The shards of a stage that the snapshot holds, in order; `tallies` counts all. */
  shardsOf(stageId: string): ShardRow[] {
    return [...this.#shards.of(stageId)].map((id) => this.shard(id));
  }

  /** Runs to be decided about. */
  openRuns(): RunRow[] {
    return this.rows.runs.filter(({ id }) => !this.#aside.has(id));
  }

  isAside(runId: string): boolean {
    return this.#aside.has(runId);
  }

  /** It is to stop, and its configuration cannot be used. */
  isPlain(runId: string): boolean {
    return this.#plain.has(runId);
  }

  /** Live attempts of the runs to be decided about. */
  liveAttempts(): { attempt: AttemptRow; runId: string }[] {
    return [...this.tables.Attempt.values()].filter(isLive).flatMap((attempt) => {
      const runId = this.#runOf(attempt);
      return runId === undefined || this.#aside.has(runId) ? [] : [{ attempt, runId }];
    });
  }

  /** By its rows; where the snapshot lacks them by its name, so that the error is that run's. */
  #runOf({ shardId }: AttemptRow): string | undefined {
    const stageId = this.tables.Shard.get(shardId)?.stageId;
    const stage = stageId === undefined ? undefined : this.tables.Stage.get(stageId);
    const named = stage?.runId ?? shardId.slice(0, Math.max(0, shardId.indexOf("-")));
    return this.runs.has(named) ? named : undefined;
  }

  liveAttemptOf(shardId: string): AttemptRow | undefined {
    for (const id of this.#attempts.of(shardId)) {
      const attempt = this.tables.Attempt.get(id);
      if (attempt && isLive(attempt)) return attempt;
    }
    return undefined;
  }

  gatesOf(stageId: string): GateRow[] {
    return [...this.#gates.of(stageId)].flatMap((id) => this.tables.Gate.get(id) ?? []);
  }

  artifactsOf(attemptId: string): ArtifactRow[] {
    return [...this.#artifacts.of(attemptId)].flatMap((id) => this.tables.Artifact.get(id) ?? []);
  }

  artifactsOfStage(stageId: string): ArtifactRow[] {
    return [...this.#artifactsOfStage.of(stageId)].flatMap((id) => this.tables.Artifact.get(id) ?? []);
  }

  leasesOf(attemptId: string): LeaseRow[] {
    return [...this.#leases.of(attemptId)].flatMap((id) => this.tables.Lease.get(id) ?? []);
  }

  leasesOfNode(nodeId: string): LeaseRow[] {
    return [...this.#leasesOfNode.of(nodeId)].flatMap((id) => this.tables.Lease.get(id) ?? []);
  }

  /** Committed outputs that dependents of a stage get, shards in order. */
  outputsOf(stage: StageRow): ArtifactRow[] {
    const outputs = this.artifactsOfStage(stage.cachedFrom ?? stage.id);
    return newestOfShard(outputs.filter((artifact) => artifact.kind !== "checkpoint"));
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
