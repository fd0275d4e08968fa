import type { ResolvedStage } from "../../../src/config/types.ts";
import {
  applyChange,
  type Change,
  emptyRows,
  fits,
  newShards,
  type RowMaps,
} from "../../../src/core/changes.ts";
import type { ArtifactRow, AttemptRow, StageRow } from "../../../src/core/rows.ts";
import { hasOutputs, isLive, isStageEnded } from "../../../src/workflow/states.ts";

export interface LoggedEvent {
  id: bigint | number;
  runId: string;
  type: string;
  at: Date | string;
  stageId: string | null;
  attemptId: string | null;
  data: unknown;
}

/** Resolved stages by run and name: the log leaves them out. */
export type Specs = (run: string, stage: string) => ResolvedStage;

/**
 * Walks the event log and checks, at every moment of it: one live attempt a shard (1), ended rows stay as they are (2), ends
 * have reason and cause (3), stages begin with all their inputs committed (4), only the attempt of the shard's
 * epoch commits anything (6), no two runs train the same
 * at once, and a stage begins to wait for another once. Returns what is wrong.
 */
export function walkLog(events: readonly LoggedEvent[], specs: Specs): string[] {
  const rows = emptyRows();
  const faults: string[] = [];
  // A run that nothing is decided about bars no other.
  const quarantined = new Set<string>();
  for (const event of events) {
    if (event.type === "run.quarantined") quarantined.add(event.runId);
    if (event.type === "run.released") quarantined.delete(event.runId);
    const say = (what: string) =>
      faults.push(`event ${event.id} ${event.type} ${event.attemptId ?? event.stageId ?? ""}: ${what}`);
    const { changes = [] } = event.data as { changes?: Change[] };
    for (const change of changes) {
      before(rows, change, say);
      applyChange(rows, change);
      after(rows, change, { specs, quarantined }, say);
    }
  }
  return faults;
}

function before(rows: RowMaps, change: Change, say: (what: string) => void): void {
  if (change.table === "Stage" && "set" in change && "id" in change) {
    const waits = change.set.waitsFor;
    if (waits != null && rows.Stage.get(change.id)?.waitsFor === waits)
      say(`begins to wait for ${waits} again`);
  }
  if ("insert" in change || "fill" in change) {
    const fresh = "insert" in change ? [change.insert] : newShards(change.fill);
    for (const { id } of fresh) if (rows[change.table].has(id)) say(`${id} is inserted twice`);
    return;
  }
  for (const id of idsOf(rows, change)) {
    if (change.table === "Attempt" && !isLive(rows.Attempt.get(id)!)) say(`changes the ended attempt ${id}`);
    const stage = change.table === "Stage" ? rows.Stage.get(id) : undefined;
    if (stage && isStageEnded(stage)) say(`changes the ended stage ${id}`);
  }
}

/** The rows a change of rows that are there is about. */
function idsOf(rows: RowMaps, change: Exclude<Change, { insert: unknown } | { fill: unknown }>): string[] {
  if ("id" in change) return [change.id];
  const table = rows[change.table] as ReadonlyMap<string, object>;
  return [...table].flatMap(([id, row]) => (fits(row, change.all) ? [id] : []));
}

function after(
  rows: RowMaps,
  change: Change,
  { specs, quarantined }: { specs: Specs; quarantined: ReadonlySet<string> },
  say: (what: string) => void,
): void {
  if ("all" in change || "fill" in change) return;
  const id = "insert" in change ? change.insert.id : change.id;
  if (change.table === "Attempt") checkAttempt(rows, rows.Attempt.get(id)!, say);
  if (change.table === "Attempt" && "insert" in change)
    checkTrainedOnce(rows, change.insert, quarantined, say);
  if (change.table === "Artifact" && "insert" in change) checkCommit(rows, change.insert, say);
  if (change.table === "Stage" && "set" in change && change.set.state) {
    const stage = rows.Stage.get(id)!;
    if (stage.state === "READY" || stage.state === "RUNNING") checkInputs(rows, stage, specs, say);
  }
}

function checkAttempt(rows: RowMaps, attempt: AttemptRow, say: (what: string) => void): void {
  const live = [...rows.Attempt.values()].filter(
    (other) => other.shardId === attempt.shardId && isLive(other),
  );
  if (live.length > 1) say(`${live.map((other) => other.id).join(" and ")} are live at once`);
  if (isLive(attempt)) return;
  if (!attempt.reason || (attempt.state !== "SUCCEEDED" && !attempt.cause)) {
    say(`${attempt.id} is ${attempt.state} with reason ${attempt.reason} and cause ${attempt.cause}`);
  }
}

/** What a stage of another run is training, with the same cache key, is waited for. */
function checkTrainedOnce(
  rows: RowMaps,
  attempt: AttemptRow,
  quarantined: ReadonlySet<string>,
  say: (what: string) => void,
): void {
  const stageOf = ({ shardId }: AttemptRow) => rows.Stage.get(rows.Shard.get(shardId)!.stageId)!;
  const own = stageOf(attempt);
  if (own.cacheKey === null || own.fresh || own.startFrom !== null) return;
  const attempts = [...rows.Attempt.values()].filter(({ id }) => id !== attempt.id);
  // Only its first: one that began while nobody else trained goes on.
  if (attempts.some((other) => stageOf(other).id === own.id)) return;
  for (const other of attempts) {
    const stage = stageOf(other);
    if (!isLive(other) || other.state === "STOPPING" || stage.desired === "STOP" || stage.fresh) continue;
    if (quarantined.has(stage.runId)) continue;
    if (stage.runId !== own.runId && stage.cacheKey === own.cacheKey)
      say(`trains what ${other.id} trains already: both have one cache key`);
  }
}

function checkCommit(rows: RowMaps, artifact: ArtifactRow, say: (what: string) => void): void {
  const attempt = rows.Attempt.get(artifact.attemptId);
  const shard = attempt && rows.Shard.get(attempt.shardId);
  if (!attempt || !shard) say(`${artifact.id} comes from nowhere`);
  else if (!isLive(attempt)) say(`${artifact.id} is committed by an ended attempt`);
  else if (shard.epoch !== attempt.epoch)
    say(`${artifact.id} is committed with epoch ${attempt.epoch}, the shard has ${shard.epoch}`);
}

function checkInputs(rows: RowMaps, stage: StageRow, specs: Specs, say: (what: string) => void): void {
  for (const input of specs(stage.runId, stage.name).inputs) {
    if (input.stage === null) continue;
    const generations = [...rows.Stage.values()].filter(
      (row) => row.runId === stage.runId && row.name === input.stage,
    );
    const source = generations.sort((a, b) => b.generation - a.generation)[0];
    if (!source || !hasOutputs(source)) {
      say(`begins while ${input.stage} is ${source?.state}`);
      continue;
    }
    const from = source.cachedFrom ?? source.id;
    const committed = [...rows.Artifact.values()].filter(
      (row) => row.stageId === from && row.kind === input.kind,
    );
    const shards = new Set(committed.map((row) => row.shard));
    const wanted = specs(stage.runId, input.stage).shards;
    if (shards.size !== wanted)
      say(`begins with ${shards.size} of ${wanted} ${input.kind} of ${input.stage}`);
  }
}
