/**
 * The rows of the records as the deciding code sees them: plain values, no database client. The tables and their
 * meaning stand in prisma/schema.prisma.
 */

export type Desired = "RUN" | "STOP";
export type StageState = "PENDING" | "READY" | "RUNNING" | "SUCCEEDED" | "SKIPPED" | "FAILED" | "CANCELLED";
export type ShardState = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
export type AttemptState =
  | "DISPATCHING"
  | "RUNNING"
  | "UNREACHABLE"
  | "STOPPING"
  | "SUCCEEDED"
  | "FAILED"
  | "LOST"
  | "STOPPED";

/** States in which an attempt may still change; at most one attempt of a shard is in one of them. */
export const liveStates: readonly AttemptState[] = ["DISPATCHING", "RUNNING", "UNREACHABLE", "STOPPING"];

/** What a worker ended with; metrics and summary of its `result` event. */
export interface StageResult {
  metrics: Record<string, number | null>;
  summary: Record<string, unknown>;
}

export interface RunRow {
  id: string;
  /** The resolved pipeline. */
  config: unknown;
  /** Runs of a higher number get free places first. */
  priority: number;
}

export interface StageRow {
  id: string;
  runId: string;
  name: string;
  kind: string;
  generation: number;
  position: number;
  state: StageState;
  desired: Desired;
  /** The resolved stage of the pipeline. */
  spec: unknown;
  codeHash: string;
  cacheKey: string | null;
  cachedFrom: string | null;
  /** The stage of the same cache key whose outputs it waits for. */
  waitsFor: string | null;
  /** It runs although a stage with the same cache key has outputs. */
  fresh: boolean;
  /** Checkpoint of another run that its first attempt goes on from (a fork). */
  startFrom: string | null;
  reason: string | null;
  cause: string | null;
  message: string | null;
  result: StageResult | null;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
}

export interface ShardRow {
  id: string;
  stageId: string;
  index: number;
  state: ShardState;
  epoch: number;
  infraUsed: number;
  numericUsed: number;
  userUsed: number;
  stepBack: number;
  /** Latest step of which a checkpoint was ever committed. */
  furthestStep: bigint | null;
  notBefore: Date | null;
  result: StageResult | null;
}

export interface AttemptRow {
  id: string;
  shardId: string;
  epoch: number;
  state: AttemptState;
  nodeId: string | null;
  engine: string;
  reason: string | null;
  cause: string | null;
  message: string | null;
  exitCode: number | null;
  signal: string | null;
  phase: string | null;
  phaseAt: Date | null;
  step: number | null;
  of: number | null;
  unit: string | null;
  stepAt: Date | null;
  stepMs: number | null;
  /** The worker's `result` event. */
  result: WorkerResult | null;
  resumeFrom: string | null;
  dispatchedAt: Date;
  startedAt: Date | null;
  heartbeatAt: Date | null;
  leaseUntil: Date | null;
  stopAt: Date | null;
  stopReason: string | null;
  exitedAt: Date | null;
  endedAt: Date | null;
}

export interface WorkerResult {
  status: "succeeded" | "failed" | "stopped";
  reason?: string;
  message?: string;
  hint?: string;
  metrics?: Record<string, number | null>;
  summary?: Record<string, unknown>;
}

export interface ArtifactRow {
  id: string;
  kind: string;
  sha256: string;
  uri: string;
  bytes: bigint;
  meta: unknown;
  parents: string[];
  runId: string;
  stageId: string;
  attemptId: string;
  shard: number;
  /** Of a checkpoint. */
  step: number | null;
  committedAt: Date;
  goneAt: Date | null;
  /** `missing` may be found again; the others are for good. */
  goneWhy?: GoneWhy | string | null;
}

export type GoneWhy = "missing" | "damaged" | "pruned" | "removed";

/** An artifact bound to an input of a stage, with the name of the stage it comes from. */
export interface InputArtifact {
  kind: string;
  stage: string;
  artifact: ArtifactRow;
}

export interface GateRow {
  id: string;
  stageId: string;
  metric: string;
  comparison: string;
  against: string;
  value: number | null;
  threshold: number | null;
  passed: boolean;
  measuredAt: Date;
}

/** Slots or NPUs that one node can have. */
export const mostPlaces = 1024;

export interface NodeRow {
  id: string;
  engines: string[];
  npus: number;
  slots: number;
  heartbeatAt: Date;
}

export interface LeaseRow {
  id: string;
  nodeId: string;
  /** Number of the NPU, or -1, -2, … for the node's slots without one. */
  device: number;
  attemptId: string;
  createdAt: Date;
}

/** The tables whose rows change by events. */
export interface Tables {
  Stage: StageRow;
  Shard: ShardRow;
  Attempt: AttemptRow;
  Artifact: ArtifactRow;
  Gate: GateRow;
  Lease: LeaseRow;
}
export type TableName = keyof Tables;

/** Of each stage, kind and shard the newest: an attempt that died after a commit was followed by one that committed again. */
export function newestOfShard<T extends Pick<ArtifactRow, "stageId" | "kind" | "shard" | "committedAt">>(
  artifacts: readonly T[],
): T[] {
  const newest = new Map<string, T>();
  for (const row of artifacts) {
    const key = `${row.stageId} ${row.kind} ${row.shard}`;
    const other = newest.get(key);
    if (!other || other.committedAt <= row.committedAt) newest.set(key, row);
  }
  return [...newest.values()].sort((a, b) => a.shard - b.shard);
}

/** Of each stage of a run the newest generation. @param rows newest generation first */
export function newestGenerations<T extends { runId: string; name: string }>(rows: readonly T[]): T[] {
  const seen = new Set<string>();
  return rows.filter(({ runId, name }) => {
    const known = seen.has(`${runId} ${name}`);
    seen.add(`${runId} ${name}`);
    return !known;
  });
}

/** How many shards of a stage are in a state. */
export interface ShardTally {
  stageId: string;
  state: ShardState;
  count: number;
}

/** All that the reconciler decides from: rows of the runs that have something left to do, as of one moment. */
export interface OpenRows {
  /** Runs with a stage that has not ended. */
  runs: RunRow[];
  /** All generations of their stages. */
  stages: StageRow[];
  /**
   * Of the stages that have not ended: shards that run, the first of those that wait (more than can be placed at once),
   * and all shards of a stage whose last ones have left. A stage may have ten thousand.
   */
  shards: ShardRow[];
  /** All shards of these stages, counted. */
  tallies: ShardTally[];
  /** When the first back-off of all their shards ends. */
  nextTryAt: Date | null;
  /** Live attempts. */
  attempts: AttemptRow[];
  /**
   * Artifacts whose bytes are there: of live attempts, checkpoints of these runs, and outputs that a waiting stage is
   * to get, where the stage that made them has ended or is about to.
   */
  artifacts: ArtifactRow[];
  gates: GateRow[];
  nodes: NodeRow[];
  leases: LeaseRow[];
  /** Attempts that ended lately by a fault of the machine. */
  faults: { nodeId: string; endedAt: Date }[];
}
