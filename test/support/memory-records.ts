import { endingOf } from "../../src/cli/serve/policy.ts";
import { applyChange, type Change, emptyRows, type Happening, type RowMaps } from "../../src/core/changes.ts";
import type {
  ArtifactRow,
  AttemptRow,
  NodeRow,
  OpenRows,
  RunRow,
  ShardRow,
  StageRow,
  TableName,
} from "../../src/core/rows.ts";
import { defaultTimes, type Times } from "../../src/core/times.ts";
import { newStageRows } from "../../src/records/new-stage.ts";
import type { NewRun } from "../../src/records/runs.ts";
import { decide } from "../../src/workflow/decide.ts";
import { Hearing } from "../../src/workflow/silence.ts";
import { isLive } from "../../src/workflow/states.ts";
import { transactionsOf } from "../../src/workflow/transactions.ts";
import type { CacheHit, Decision, Policy, Silence } from "../../src/workflow/types.ts";
import { pipelineOf } from "../../src/workflow/types.ts";
import { runOf, type StageSketch } from "./pipelines.ts";

/** Milliseconds of silence; of everybody who is not named, none. */
export function silenceOf(given: Partial<Record<keyof Silence, Record<string, number>>>): Silence {
  const of = (name: keyof Silence) => new Map(Object.entries(given[name] ?? {}));
  return { attempts: of("attempts"), steps: of("steps"), nodes: of("nodes") };
}

/**
 * Rows in memory for the pure core: what decide() says is applied with the same guards as in the records, and a
 * guard that does not hold is an error, since nobody else writes here.
 */
export class MemoryRecords {
  readonly rows: RowMaps = emptyRows();
  readonly runs: RunRow[] = [];
  readonly nodes: NodeRow[] = [];
  readonly log: Happening[] = [];
  readonly cache = new Map<string, CacheHit>();
  readonly times: Times;
  readonly policy: Policy;
  /** Waiting shards of a stage that a snapshot holds at most, as in records/snapshot.ts. */
  window = 1000;
  now = new Date("2026-01-01T00:00:00Z");
  hearing: Hearing;
  readonly aside = new Set<string>();

  constructor(sketches: StageSketch[], times: Times = defaultTimes) {
    this.times = times;
    this.hearing = new Hearing(Number.POSITIVE_INFINITY, times.lease);
    this.policy = { times, endingOf, nodeQueue: (node) => `node-${node}` };
    this.submit("r1", sketches);
    this.nodes.push({ id: "n1", engines: ["process"], npus: 0, slots: 2, heartbeatAt: this.now });
  }

  submit(id: string, sketches: StageSketch[], more: Partial<NewRun> = {}): void {
    const run = runOf(sketches, more);
    this.runs.push({ id, config: run.config, priority: run.priority ?? 0 });
    const changes = run.stages.flatMap((stage) =>
      newStageRows(id, { ...stage, generation: 1 }, this.now, true),
    );
    this.commit({ runId: id, type: "run.submitted", changes });
  }

  commit(happening: Happening): void {
    for (const change of happening.changes) {
      this.check(change);
      applyChange(this.rows, change);
    }
    this.log.push(happening);
  }

  /** A change by somebody else: an agent, a user. */
  set<T extends TableName>(table: T, id: string, set: object): void {
    this.commit({ runId: "r1", type: "worker.test", changes: [{ table, id, expect: {}, set } as Change] });
  }

  private check(change: Change): void {
    if ("insert" in change) {
      if (this.rows[change.table].has(change.insert.id))
        throw new Error(`${change.insert.id} is there already`);
      if (change.table === "Lease") {
        const { nodeId, device } = change.insert;
        const taken = [...this.rows.Lease.values()].find(
          (row) => row.nodeId === nodeId && row.device === device,
        );
        if (taken) throw new Error(`device ${device} of ${nodeId} is leased to ${taken.attemptId}`);
      }
      return;
    }
    if ("all" in change || "fill" in change) return;
    const row = this.rows[change.table].get(change.id) as unknown as Record<string, unknown> | undefined;
    if (!row) throw new Error(`no ${change.table} ${change.id}`);
    if (change.table === "Attempt" && !isLive(row as unknown as AttemptRow))
      throw new Error(`${change.id} is final`);
    if (!("expect" in change)) return;
    for (const [key, wanted] of Object.entries(change.expect)) {
      const holds = Array.isArray(wanted) ? wanted.includes(row[key]) : String(wanted) === String(row[key]);
      if (!holds) throw new Error(`${change.id}: ${key} is ${row[key]}, expected ${wanted}`);
    }
  }

  /** What records/snapshot.ts would read. */
  snapshot(): OpenRows {
    const open = new Set([...this.rows.Stage.values()].filter((row) => !row.endedAt).map((row) => row.runId));
    const stages = [...this.rows.Stage.values()].filter((row) => open.has(row.runId));
    const all = [...this.rows.Shard.values()].filter((row) => !this.rows.Stage.get(row.stageId)?.endedAt);
    const attempts = this.live();
    return {
      runs: this.runs.filter((run) => open.has(run.id)),
      stages,
      ...this.shardsOf(all, attempts),
      attempts,
      artifacts: [...this.rows.Artifact.values()].filter((row) => !row.goneAt),
      gates: [...this.rows.Gate.values()],
      nodes: this.nodes,
      leases: [...this.rows.Lease.values()],
      faults: [],
    };
  }

  private shardsOf(
    all: ShardRow[],
    attempts: AttemptRow[],
  ): Pick<OpenRows, "shards" | "tallies" | "nextTryAt"> {
    const working = new Set(attempts.filter(({ exitedAt }) => !exitedAt).map(({ shardId }) => shardId));
    const waits = ({ notBefore }: ShardRow) => notBefore === null || notBefore <= this.now;
    const later = all.filter((row) => row.state === "PENDING" && !waits(row)).map((row) => row.notBefore!);
    const byStage = new Map<string, ShardRow[]>();
    for (const row of all) {
      const ofStage = byStage.get(row.stageId);
      if (ofStage) ofStage.push(row);
      else byStage.set(row.stageId, [row]);
    }
    const shards = [...byStage.values()].flatMap((ofStage) => {
      const pending = ofStage.filter(({ state }) => state === "PENDING");
      const running = ofStage.filter(({ state }) => state === "RUNNING");
      const closing = pending.length === 0 && !running.some(({ id }) => working.has(id));
      return closing ? ofStage : [...running, ...pending.filter(waits).slice(0, this.window)];
    });
    return {
      shards,
      tallies: all.map(({ stageId, state }) => ({ stageId, state, count: 1 })),
      nextTryAt: later.length > 0 ? new Date(Math.min(...later.map(Number))) : null,
    };
  }

  /** Another serve decides from now on: what was silent before it heard nothing of. */
  newServe(): void {
    this.hearing = new Hearing(Number.POSITIVE_INFINITY, this.times.lease);
  }

  /** Decides and applies, again only where something waits for what was just written. All that was decided. */
  look(): Decision {
    const decision = this.lookOnce();
    if (!decision.again) return decision;
    const next = this.look();
    return { ...next, actions: [...decision.actions, ...next.actions] };
  }

  private lookOnce(): Decision {
    const cache = new Map<string, CacheHit | null>();
    const rows = this.snapshot();
    const silence = this.hearing.look({ ...rows, now: this.now }, this.now.getTime());
    for (;;) {
      const decision = decide(rows, { cache, silence, aside: this.aside }, this.now, this.policy);
      const unknown = decision.lookups.filter((key) => !cache.has(key));
      if (unknown.length === 0) {
        // In any order: transactions depend on each other in nothing.
        for (const actions of transactionsOf(decision.actions, [...this.rows.Lease.values()]).reverse())
          for (const { happening } of actions) this.commit(happening);
        return decision;
      }
      for (const key of unknown) cache.set(key, this.cache.get(key) ?? this.cached(key));
    }
  }

  /** What records/cache.ts would find. */
  private cached(key: string): CacheHit | null {
    const done = [...this.rows.Stage.values()].filter(
      ({ cacheKey, state }) => cacheKey === key && state === "SUCCEEDED",
    );
    const stage = done.sort((a, b) => Number(b.endedAt) - Number(a.endedAt))[0];
    if (!stage) return null;
    const artifacts = [...this.rows.Artifact.values()].filter(
      (row) => row.stageId === stage.id && row.kind !== "checkpoint",
    );
    return { stageId: stage.id, result: stage.result, artifacts };
  }

  /** Time goes on; nodes keep speaking unless they are in `silent`. */
  wait(ms: number, silent: readonly string[] = []): void {
    this.now = new Date(this.now.getTime() + ms);
    for (const node of this.nodes) if (!silent.includes(node.id)) node.heartbeatAt = this.now;
  }

  stage(name: string, generation = 1): StageRow {
    return this.rows.Stage.get(`r1-${name}-g${generation}`)!;
  }

  live(): AttemptRow[] {
    return [...this.rows.Attempt.values()].filter(isLive);
  }

  liveOf(stage: string): AttemptRow {
    const found = this.live().find((attempt) => attempt.shardId.startsWith(`r1-${stage}-g`));
    if (!found) throw new Error(`no live attempt of ${stage}: ${this.states()}`);
    return found;
  }

  attempts(stage: string): AttemptRow[] {
    return [...this.rows.Attempt.values()].filter((attempt) => attempt.shardId.startsWith(`r1-${stage}-g`));
  }

  states(): string {
    return [...this.rows.Stage.values()].map((row) => `${row.name}:${row.state}`).join(" ");
  }

  /** The agent heard a line of a worker. */
  hear(attempt: AttemptRow, set: Partial<AttemptRow> = {}): void {
    const alive = { heartbeatAt: this.now, leaseUntil: new Date(this.now.getTime() + this.times.lease) };
    const state = attempt.state === "STOPPING" ? "STOPPING" : "RUNNING";
    this.set("Attempt", attempt.id, { ...alive, state, startedAt: attempt.startedAt ?? this.now, ...set });
  }

  artifact(attempt: AttemptRow, kind: string, more: Partial<ArtifactRow> = {}): void {
    const shard = this.rows.Shard.get(attempt.shardId)!;
    const id = `${attempt.id}-${kind}-${more.step ?? 0}`;
    if (this.rows.Artifact.has(id)) return;
    const insert: ArtifactRow = {
      id,
      kind,
      sha256: `${shard.stageId} ${kind}`,
      uri: `far://${id}`,
      bytes: 1n,
      meta: {},
      parents: [],
      runId: "r1",
      stageId: shard.stageId,
      attemptId: attempt.id,
      shard: shard.index,
      step: null,
      committedAt: this.now,
      goneAt: null,
      ...more,
    };
    this.commit({ runId: "r1", type: "worker.test", changes: [{ table: "Artifact", insert }] });
  }

  /** The worker commits its outputs and leaves. */
  succeed(attempt: AttemptRow, metrics: Record<string, number> = {}): void {
    const stage = this.rows.Stage.get(this.rows.Shard.get(attempt.shardId)!.stageId)!;
    for (const kind of (stage.spec as { outputs: string[] }).outputs) this.artifact(attempt, kind);
    this.hear(attempt, { result: { status: "succeeded", metrics }, exitCode: 0, exitedAt: this.now });
  }

  /** The worker leaves with this exit code. */
  fail(attempt: AttemptRow, exitCode: number, more: Partial<AttemptRow> = {}): void {
    this.hear(attempt, { exitCode, exitedAt: this.now, ...more });
  }

  seed(): number {
    return pipelineOf(this.runs[0]!).seed;
  }
}
