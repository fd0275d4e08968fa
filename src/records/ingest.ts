import type { Change, Happening } from "../core/changes.ts";
import { type AttemptRow, type AttemptState, liveStates, type WorkerResult } from "../core/rows.ts";
import type { Times } from "../core/times.ts";
import { artifactChanges, type CommitLine, soundLine } from "./artifacts.ts";
import { damagedChanges } from "./checkpoints.ts";
import type { Database, Writer } from "./database.ts";
import { type QuietAttempt, StaleWrite, writeHappenings } from "./happenings.ts";
import { holderOf, nodeTaken } from "./nodes.ts";

/** A line of a worker's event file (stages/_worker/protocol.schema.json), checked before it comes here. */
export interface EventLine {
  type: string;
  at: string;
  [field: string]: unknown;
}

/** Lines from byte `offset` of the event file on, `bytes` long. */
export interface EventBatch {
  /** The agent's; left out by those that name none. */
  instance?: string | undefined;
  epoch: number;
  offset: number;
  bytes: number;
  lines: EventLine[];
}

export type IngestReply =
  | { status: "accepted"; acknowledged: number; desired: "RUN" | "STOP"; graceSeconds: number }
  | { status: "stale" }
  | { status: "wrong_offset"; acknowledged: number };

/** A live attempt with what fences it, as of `now` of the database. */
export interface LiveAttempt {
  id: string;
  shardId: string;
  epoch: number;
  shardEpoch: number;
  shard: number;
  state: AttemptState;
  acknowledged: bigint;
  step: number | null;
  unit: string | null;
  stepAt: Date | null;
  stepMs: number | null;
  startedAt: Date | null;
  exitedAt: Date | null;
  resumeFrom: string | null;
  stopReason: string | null;
  /** Of a fork: the checkpoint of another run that its stage began with. */
  startFrom: string | null;
  stageId: string;
  runId: string;
  desired: "RUN" | "STOP";
  /** The instance of an agent that reported it first, and so from which file. */
  instance: string | null;
  /** Who holds the name of its node now. */
  nodeId: string | null;
  holder: string | null;
  address: string | null;
  agentPid: number | null;
  instanceSince: Date | null;
  /** Which of its checkpoints stay, as its stage's spec has it. */
  checkpoint: unknown;
  /** Its node has a folder of its own: what it commits lies in serve's store. */
  far: boolean;
  now: Date;
}

/** Two reports of one attempt at once, or one beside a decision: what was read has moved, and it is read again. */
const mostTries = 5;

/**
 * Takes lines of an attempt's event file into the records: reads where the attempt stands, then writes events, metrics,
 * artifacts, signs of life and the acknowledged offset in one guarded transaction. The same batch again is a sign of life
 * and changes nothing else (`wrong_offset` tells where to go on); a stale epoch changes nothing, ever.
 */
export async function ingestEvents(
  database: Database,
  attempt: string,
  batch: EventBatch,
  times: Times,
): Promise<IngestReply> {
  return whileItMoves(async () => {
    const row = fenced(await readLiveAttempt(database, attempt, batch.epoch), batch.instance);
    if (!row) return { status: "stale" };
    const acknowledged = Number(row.acknowledged);
    if (batch.offset !== acknowledged) {
      // Whoever is heard is not silent, though none of serve's answers may reach it.
      await noteAlive(database, row, times);
      return { status: "wrong_offset", acknowledged };
    }
    if (batch.lines.length > 0 || batch.bytes > 0) await writeBatch(database, row, batch, times);
    else await noteAlive(database, row, times);
    return {
      status: "accepted",
      acknowledged: acknowledged + batch.bytes,
      desired: row.state === "STOPPING" || row.desired === "STOP" ? "STOP" : "RUN",
      graceSeconds: times.stop / 1000,
    };
  });
}

/** Does it again when a guard did not hold. @throws StaleWrite when it never does */
export async function whileItMoves<T>(work: () => Promise<T>): Promise<T> {
  for (let left = mostTries; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StaleWrite) || left === 1) throw error;
    }
  }
}

/** The live attempt of this epoch; undefined when it is stale. */
export async function readLiveAttempt(
  writer: Writer,
  attempt: string,
  epoch: number,
): Promise<LiveAttempt | undefined> {
  const [row] = await writer.$queryRaw<LiveAttempt[]>`
    select a.id, a."shardId", a.epoch, a.state::text as state, a.acknowledged, a.step, a.unit, a."stepAt", a."stepMs",
           a."startedAt", a."exitedAt", a."resumeFrom", a."stopReason", sh.epoch as "shardEpoch", sh.index as shard,
           a.instance, a."nodeId", n.instance as holder, n.address, n."agentPid", n."instanceSince", st."startFrom", st.id as "stageId", st."runId", st.desired::text as desired,
           st.spec -> 'checkpoint' as checkpoint,
           coalesce(n.info ->> 'store' = 'far', false) as far, clock_timestamp() as now
      from "Attempt" a join "Shard" sh on sh.id = a."shardId" join "Stage" st on st.id = sh."stageId"
      left join "Node" n on n.id = a."nodeId"
     where a.id = ${attempt}`;
  if (!row || row.epoch !== epoch || row.shardEpoch !== epoch || !liveStates.includes(row.state))
    return undefined;
  return row;
}

/**
 * The attempt where an instance of an agent may report it; undefined where another one did, from another folder.
 * @throws LegaloneError E_NODE_TAKEN when the instance does not hold the name of the attempt's node
 */
export function fenced(
  row: LiveAttempt | undefined,
  instance: string | null = null,
): LiveAttempt | undefined {
  if (!row) return undefined;
  if (row.holder !== instance) throw nodeTaken(row.nodeId ?? "", holderOf({ ...row, instance: row.holder }));
  return row.instance === null || row.instance === instance ? row : undefined;
}

async function writeBatch(
  database: Database,
  row: LiveAttempt,
  batch: EventBatch,
  times: Times,
): Promise<void> {
  const { now } = row;
  const { bytes } = batch;
  const lines = batch.lines.map(soundLine);
  const metrics = lines.filter((line) => line.type === "metric");
  const commits = lines.filter((line) => line.type === "artifact" || line.type === "checkpoint");
  const artifacts = await artifactChanges(database, row, commits as CommitLine[], now);
  const damaged = await damagedChanges(database, row, lines, now);
  const changesOf = (line: EventLine) =>
    artifacts.get(line as CommitLine) ?? damaged.get(line) ?? attemptChanges(row, line, now);
  const happenings = lines
    .filter((line) => !["heartbeat", "progress", "metric"].includes(line.type))
    .map((line) => tell(row, line, changesOf(line)));
  if (lines.length > 0) happenings.unshift(...becomesRunning(row, now));
  await writeHappenings(database, happenings, {
    quiet: [readOn(row, bytes, signsOfLife(row, lines, now, times))],
    metrics: metrics.map((line) => ({
      attemptId: row.id,
      stageId: row.stageId,
      name: String(line.name),
      step: Number(line.step),
      value: Number(line.value),
      at: line.at,
    })),
  });
}

/**
 * The guard of all that is written for an attempt: it is live, nobody else has reported meanwhile, and no other instance has
 * taken it over. Its first report binds it to the instance.
 */
function readOn(row: LiveAttempt, bytes: number, set: QuietAttempt["set"]): QuietAttempt {
  const acknowledged = Number(row.acknowledged);
  return {
    table: "Attempt",
    id: row.id,
    expect: { epoch: row.epoch, acknowledged, instance: row.instance, endedAt: null },
    set: { ...set, acknowledged: acknowledged + bytes, instance: row.holder },
  };
}

/**
 * An empty batch: the agent has the attempt and is busy for it, bringing its inputs or its outputs. That renews the lease
 * and begins nothing: an attempt becomes RUNNING by its worker's first line.
 */
async function noteAlive(database: Database, row: LiveAttempt, times: Times): Promise<void> {
  const back = row.state === "UNREACHABLE" ? becomesRunning(row, row.now) : [];
  await writeHappenings(database, back, { quiet: [readOn(row, 0, renewed(row.now, times))] });
}

function renewed(now: Date, times: Times) {
  return { heartbeatAt: now, leaseUntil: new Date(now.getTime() + times.lease) };
}

function tell(row: LiveAttempt, line: EventLine, changes: Change[]): Happening {
  const { type, ...data } = line;
  return { runId: row.runId, stageId: row.stageId, attemptId: row.id, type: `worker.${type}`, data, changes };
}

function attemptChanges(row: LiveAttempt, line: EventLine, now: Date): Change[] {
  const set: Partial<AttemptRow> = {};
  if (line.type === "phase") Object.assign(set, { phase: String(line.phase), phaseAt: now });
  if (line.type === "result") {
    const { type: _, at: __, ...result } = line;
    set.result = result as unknown as WorkerResult;
  }
  if (Object.keys(set).length === 0) return [];
  return [{ table: "Attempt", id: row.id, expect: { epoch: row.epoch }, set }];
}

/** The first line of an attempt, or the first after a silence. */
function becomesRunning(row: LiveAttempt, now: Date): Happening[] {
  if (row.state !== "DISPATCHING" && row.state !== "UNREACHABLE") return [];
  const change: Change = {
    table: "Attempt",
    id: row.id,
    expect: { state: row.state },
    set: { state: "RUNNING", startedAt: row.startedAt ?? now },
  };
  const type = row.state === "DISPATCHING" ? "attempt.running" : "attempt.reachable";
  return [{ runId: row.runId, stageId: row.stageId, attemptId: row.id, type, changes: [change] }];
}

function signsOfLife(row: LiveAttempt, lines: EventLine[], now: Date, times: Times) {
  if (lines.length === 0) return {};
  const alive = renewed(now, times);
  const last = lines.findLast((line) => line.type === "progress");
  if (!last) return alive;
  const step = Number(last.step);
  const progress = { step, of: Number(last.of), unit: String(last.unit) };
  // What is counted has changed: how long one took says nothing of the next.
  if (progress.unit !== row.unit) return { ...alive, ...progress, stepAt: now, stepMs: null };
  if (step === row.step) return { ...alive, ...progress };
  return { ...alive, ...progress, stepAt: now, stepMs: smoothedStepMs(row, step, now) };
}

/** Exponential mean (weight 0.2 for the newest) of the milliseconds one step takes. */
function smoothedStepMs(row: LiveAttempt, step: number, now: Date): number | null {
  if (row.step === null || row.stepAt === null || step < row.step) return row.stepMs;
  const newest = (now.getTime() - row.stepAt.getTime()) / (step - row.step);
  return row.stepMs === null ? newest : 0.8 * row.stepMs + 0.2 * newest;
}
