import picocolors from "picocolors";
import type { Artifact, Attempt, Gate } from "../../src/records/generated/client.ts";
import type { RunDetail } from "../../src/records/reads/runs.ts";
import type { ShardRow, StageRow } from "../../src/records/reads/stages.ts";
import { verdictOf } from "../../src/records/reads/verdict.ts";
import type { Look } from "../../src/views/look.ts";

/** Rows as the records hold them, for tests of views. The clock of these rows starts here. */
export const start = new Date("2026-03-02T09:00:00.000Z");

/** A time of the rows' clock: seconds after the run was submitted. */
export function at(seconds: number): Date {
  return new Date(start.getTime() + seconds * 1000);
}

export const plainLook: Look = { colors: picocolors.createColors(false), width: 120, now: at(200) };

export const runId = "rk2m9x4t7a";

type Given<Row> = Partial<Row>;

export function stageRow(name: string, given: Given<StageRow> = {}): StageRow {
  const id = `${given.runId ?? runId}-${name}-g${given.generation ?? 1}`;
  return {
    id,
    runId,
    name,
    kind: name,
    generation: 1,
    position: 0,
    state: "PENDING",
    desired: "RUN",
    spec: {},
    codeHash: "c0de".repeat(16),
    cacheKey: null,
    cachedFrom: null,
    waitsFor: null,
    fresh: false,
    startFrom: null,
    reason: null,
    cause: null,
    message: null,
    result: null,
    createdAt: start,
    startedAt: null,
    endedAt: null,
    shards: [],
    counts: null,
    gates: [],
    artifacts: [],
    checkpoint: null,
    cachedRun: null,
    cachedMs: null,
    ...given,
  };
}

/** A stage that ended well, `from` and `to` in seconds. */
export function doneStage(
  name: string,
  from: number,
  to: number,
  result: Record<string, number>,
  given: Given<StageRow> = {},
): StageRow {
  const row = stageRow(name, {
    state: "SUCCEEDED",
    reason: "completed",
    startedAt: at(from),
    endedAt: at(to),
    result: { metrics: result, summary: {} },
    ...given,
  });
  const attempt = attemptRow(row.id, {
    state: "SUCCEEDED",
    reason: "completed",
    startedAt: at(from),
    endedAt: at(to),
  });
  return { ...row, shards: [shardRow(row.id, { state: "SUCCEEDED", attempt })] };
}

export function shardRow(stageId: string, given: Given<ShardRow> = {}): ShardRow {
  return {
    id: `${stageId}-s${given.index ?? 0}`,
    stageId,
    index: 0,
    state: "RUNNING",
    epoch: 1,
    infraUsed: 0,
    numericUsed: 0,
    userUsed: 0,
    stepBack: 0,
    furthestStep: null,
    notBefore: null,
    result: null,
    attempt: null,
    ...given,
  };
}

export function attemptRow(stageId: string, given: Given<Attempt> = {}): Attempt {
  const shardId = given.shardId ?? `${stageId}-s0`;
  return {
    id: `${shardId}-e${given.epoch ?? 1}`,
    shardId,
    epoch: 1,
    state: "RUNNING",
    nodeId: "n1",
    engine: "process",
    reason: null,
    cause: null,
    message: null,
    exitCode: null,
    signal: null,
    phase: null,
    phaseAt: null,
    stepMs: null,
    result: null,
    stopReason: null,
    exitedAt: null,
    step: null,
    of: null,
    unit: null,
    stepAt: null,
    acknowledged: 0n,
    instance: null,
    resumeFrom: null,
    dispatchedAt: start,
    startedAt: start,
    heartbeatAt: null,
    leaseUntil: null,
    stopAt: null,
    endedAt: null,
    ...given,
  };
}

export function artifactRow(stageId: string, kind: string, given: Given<Artifact> = {}): Artifact {
  const sha256 = given.sha256 ?? "5f2d9c1e".repeat(8);
  return {
    id: `${stageId}-${kind}`,
    kind,
    sha256,
    uri: `legalone://artifacts/${sha256}`,
    bytes: 4_912_345n,
    meta: {},
    parents: [],
    runId,
    stageId,
    attemptId: `${stageId}-s0-e1`,
    shard: 0,
    step: null,
    committedAt: start,
    goneAt: null,
    goneWhy: null,
    ...given,
  };
}

export function gateRow(stageId: string, given: Given<Gate> = {}): Gate {
  return {
    id: `${stageId}-${given.metric ?? "legal_ppl"}`,
    stageId,
    metric: "legal_ppl",
    comparison: "below",
    against: "base.legal_ppl",
    value: 244.1,
    threshold: 365.2,
    passed: true,
    measuredAt: start,
    ...given,
  };
}

export function runDetail(stages: StageRow[]): RunDetail {
  const run = {
    id: runId,
    pipeline: "demo",
    file: "pipelines/demo.yaml",
    config: {},
    written: "version: 1\nname: demo\n",
    configHash: "ab12".repeat(16),
    idempotencyKey: null,
    until: null,
    from: null,
    priority: 0,
    name: null,
    tags: [],
    note: null,
    forkedFrom: null,
    createdBy: "someone@host",
    createdAt: start,
  };
  const placed = stages.map((stage, position) => ({ ...stage, position }));
  return { run, stages: placed, verdict: verdictOf(run, placed), quarantine: null };
}
