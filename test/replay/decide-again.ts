import { policyOf } from "../../src/cli/serve/policy.ts";
import type { Change, RowMaps } from "../../src/core/changes.ts";
import type { AttemptRow, OpenRows, ShardTally } from "../../src/core/rows.ts";
import type { Times } from "../../src/core/times.ts";
import { decide } from "../../src/workflow/decide.ts";
import { patienceWith } from "../../src/workflow/judge-attempt.ts";
import { isLive } from "../../src/workflow/states.ts";
import type { CacheHit, Decision, Silence } from "../../src/workflow/types.ts";
import { silenceOf } from "../support/memory-records.ts";
import { changesOf, type LoggedDecision } from "./decisions.ts";
import { type StoredLog, specsOf } from "./log-file.ts";

/**
 * What the log does not hold: whether a node was heard of, and whether serve had just come into office (silence before
 * that is not judged).
 */
export interface Unlogged {
  silent: ReadonlySet<string>;
  fresh: boolean;
}

/** What decide() says today about the rows before a logged decision. */
export function decideAgain(
  log: StoredLog,
  logged: LoggedDecision,
  before: RowMaps,
  times: Times,
  { silent, fresh }: Unlogged,
): Decision {
  const now = timeOf(logged);
  const rows = openRows(log, logged, before, now, times, silent);
  const silence = fresh ? silenceOf({}) : silenceAt(rows, now, times);
  const cache = new Map<string, CacheHit | null>();
  for (;;) {
    const decision = decide(rows, { cache, silence, aside: new Set<string>() }, now, policyOf(times));
    const unknown = decision.lookups.filter((key) => !cache.has(key));
    if (unknown.length === 0) return decision;
    for (const key of unknown) cache.set(key, hitOf(before, key));
  }
}

/** As the log has it: by the lease of each attempt, and the times of its last step. */
function silenceAt({ attempts, nodes }: OpenRows, now: Date, times: Times): Silence {
  const since = (at: Date | null) => Math.max(0, now.getTime() - (at?.getTime() ?? 0));
  const each = <Row extends { id: string }>(rows: readonly Row[], ms: (row: Row) => number) =>
    Object.fromEntries(rows.map((row) => [row.id, ms(row)]));
  return silenceOf({
    attempts: each(attempts, (row) =>
      Math.max(0, patienceWith(row, times) + now.getTime() - (row.leaseUntil?.getTime() ?? 0)),
    ),
    steps: each(attempts, ({ stepAt, phaseAt }) => Math.min(since(stepAt), since(phaseAt))),
    nodes: each(nodes, ({ heartbeatAt }) => since(heartbeatAt)),
  });
}

/** The moment of the decision: every row it begins or ends carries it. */
function timeOf({ events }: LoggedDecision): Date {
  for (const change of events.flatMap(changesOf)) {
    const fields = ("insert" in change ? change.insert : "set" in change ? change.set : {}) as Record<
      string,
      unknown
    >;
    for (const name of ["dispatchedAt", "endedAt", "stopAt", "measuredAt"]) {
      if (fields[name] instanceof Date) return fields[name];
    }
  }
  return new Date(events[0]!.at);
}

function openRows(
  { runs, nodes }: StoredLog,
  logged: LoggedDecision,
  before: RowMaps,
  now: Date,
  times: Times,
  silent: ReadonlySet<string>,
): OpenRows {
  const specs = specsOf(runs);
  const stages = [...before.Stage.values()].map((row) => ({ ...row, spec: specs(row.runId, row.name) }));
  const open = new Set(stages.filter((row) => row.endedAt === null).map((row) => row.runId));
  const going = new Set(stages.filter((row) => row.endedAt === null).map((row) => row.id));
  const shards = [...before.Shard.values()].filter((row) => going.has(row.stageId));
  const attempts = [...before.Attempt.values()];
  const later = new Date(now.getTime() + times.lease);
  return {
    runs: runs.filter((run) => open.has(run.id)),
    stages: stages.filter((row) => open.has(row.runId)),
    shards,
    tallies: talliesOf(shards),
    nextTryAt: null,
    attempts: attempts.filter(isLive).map((row) => withSignsOfLife(row, logged, now, later)),
    artifacts: [...before.Artifact.values()].filter((row) => row.goneAt === null),
    gates: [...before.Gate.values()],
    nodes: nodes.map((node) => ({ ...node, heartbeatAt: silent.has(node.id) ? new Date(0) : now })),
    leases: [...before.Lease.values()],
    faults: attempts.flatMap(({ nodeId, endedAt, cause }) =>
      nodeId &&
      endedAt &&
      (cause === "NODE" || cause === "NPU") &&
      endedAt.getTime() > now.getTime() - times.cooldown
        ? [{ nodeId, endedAt }]
        : [],
    ),
  };
}

function talliesOf(shards: OpenRows["shards"]): ShardTally[] {
  const tallies = new Map<string, ShardTally>();
  for (const { stageId, state } of shards) {
    const key = `${stageId} ${state}`;
    tallies.set(key, { stageId, state, count: (tallies.get(key)?.count ?? 0) + 1 });
  }
  return [...tallies.values()];
}

/**
 * Of an attempt that this decision was about, those that the log repeats with it; all others were alive, or the
 * decision would have been about them.
 */
function withSignsOfLife(row: AttemptRow, { events }: LoggedDecision, now: Date, later: Date): AttemptRow {
  const own = events
    .flatMap(changesOf)
    .find((change) => change.table === "Attempt" && "id" in change && change.id === row.id) as
    | Extract<Change, { expect: unknown; table: "Attempt" }>
    | undefined;
  const { leaseUntil: set, heartbeatAt, step, stepAt, stepMs } = own?.set ?? {};
  const expected = (own?.expect as { leaseUntil?: unknown } | undefined)?.leaseUntil;
  const told =
    set ??
    (typeof expected === "string" ? new Date(expected) : expected instanceof Date ? expected : undefined);
  const alive = row.state === "DISPATCHING" ? (row.leaseUntil ?? later) : later;
  const stalled = own?.set.stopReason === "stalled";
  return {
    ...row,
    leaseUntil: told ?? alive,
    heartbeatAt: heartbeatAt ?? row.heartbeatAt,
    step: step ?? row.step,
    stepAt: stepAt ?? (stalled ? null : now),
    stepMs: stepMs ?? null,
  };
}

function hitOf({ Stage, Artifact }: RowMaps, key: string): CacheHit | null {
  const ended = [...Stage.values()].filter((row) => row.cacheKey === key && row.state === "SUCCEEDED");
  for (const stage of ended.sort((a, b) => b.endedAt!.getTime() - a.endedAt!.getTime())) {
    const outputs = [...Artifact.values()].filter(
      (row) => row.stageId === stage.id && row.kind !== "checkpoint",
    );
    if (outputs.every((row) => row.goneAt === null))
      return { stageId: stage.id, result: stage.result, artifacts: outputs };
  }
  return null;
}
