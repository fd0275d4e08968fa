import type { AttemptRow, NodeRow, StageRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";
import { endAttempt } from "./end-attempt.ts";
import { isLive } from "./states.ts";
import { nodeOf, requestStop } from "./stop.ts";
import { type Ending, specOf } from "./types.ts";
import type { World } from "./world.ts";

const cancelled: Ending = { state: "STOPPED", reason: "cancelled", cause: "OPERATOR" };

/** Decides about one live attempt: ended, to be stopped, unreachable, given up, or left alone. */
export function judgeAttempt(world: World, attempt: AttemptRow): void {
  const stage = world.stage(world.shard(attempt.shardId).stageId);
  if (attempt.exitedAt) {
    const plain = world.isPlain(stage.runId);
    endAttempt(world, attempt, plain ? cancelled : world.policy.endingOf(attempt));
    return;
  }
  const why = attempt.state === "STOPPING" ? undefined : reasonToStop(world, attempt, stage);
  if (why) requestStop(world, attempt, why);
  else judgeSilence(world, attempt, stage);
}

function reasonToStop(world: World, attempt: AttemptRow, stage: StageRow): string | undefined {
  if (stage.desired === "STOP") return "cancelled";
  if (isTimedOut(world, stage)) return "timeout";
  if (isStalled(world, attempt)) return "stalled";
  return undefined;
}

/** `timeout` is the stage's: it counts from its first attempt, through all others and the waits between them. */
export function isTimedOut(world: World, stage: StageRow): boolean {
  const { timeoutSeconds } = specOf(stage);
  return timeoutSeconds != null && world.isPast(stage.startedAt, timeoutSeconds * 1000);
}

/**
 * Alive, and without a step or a word for longer than its phase explains, and for ten times as long as a step takes: a dead
 * collective, a compiler or a server that never comes back look like this.
 */
function isStalled(world: World, attempt: AttemptRow): boolean {
  if (attempt.state !== "RUNNING") return false;
  const without = world.observations.silence.steps.get(attempt.id) ?? 0;
  return without >= Math.max(stallIn(attempt.phase, world.policy.times), 10 * (attempt.stepMs ?? 0));
}

/** How long a phase may show nothing. Before its first one a worker loads. */
function stallIn(phase: string | null, times: Times): number {
  if (phase === "training") return times.stall;
  if (phase === "compiling") return times.stallCompiling;
  return phase === "saving" ? times.stallSaving : times.stallLoading;
}

/**
 * Silence counts as far as it was heard (silence.ts), never by a difference of clocks. For `grace` beyond the lease
 * nothing is given up, because the worker may well go on; after it the next epoch fences the old one. Where most nodes
 * fell silent together the cause is most likely not theirs, and nothing is given up for longer.
 */
function judgeSilence(world: World, attempt: AttemptRow, stage: StageRow): void {
  const { times } = world.policy;
  const silent = world.observations.silence.attempts.get(attempt.id) ?? 0;
  const beyond = silent - patienceWith(attempt, times);
  if (beyond < 0) return;
  if (attempt.state === "DISPATCHING") {
    giveUpDispatch(world, attempt);
  } else if (attempt.state === "RUNNING") {
    loseSight(world, attempt, stage);
  } else if (beyond >= times.grace) {
    const message = `not heard of since ${lastHeard(attempt)}`;
    if (attempt.stopReason === "cancelled") endAttempt(world, attempt, { ...cancelled, message });
    else if (beyond < times.blackout && fellSilentTogether(world, attempt))
      world.held.push({ attempt, stage });
    else endAttempt(world, attempt, { state: "LOST", reason: "lost", cause: "NODE", message });
  }
}

/** How long an attempt may say nothing: after its dispatch longer, until its agent has begun with it. */
export function patienceWith({ state, heartbeatAt }: AttemptRow, times: Times): number {
  return state === "DISPATCHING" && heartbeatAt === null ? times.dispatch : times.lease;
}

function lastHeard({ heartbeatAt }: AttemptRow): string {
  return heartbeatAt === null || Number.isNaN(heartbeatAt.getTime())
    ? "its dispatch"
    : heartbeatAt.toISOString();
}

/**
 * Whether the node of an attempt fell silent within one lease of most of the nodes that work, itself counted. One that
 * works alone did when no other node speaks either: nobody could take over.
 */
function fellSilentTogether(world: World, { nodeId }: AttemptRow): boolean {
  const { lease } = world.policy.times;
  const silenceOf = (id: string | null) => world.observations.silence.nodes.get(id ?? "") ?? 0;
  const own = silenceOf(nodeId);
  if (own < lease) return false;
  const working = new Set([...world.tables.Attempt.values()].filter(isLive).map((attempt) => attempt.nodeId));
  const peers = [...working].filter((id) => silenceOf(id) >= lease && Math.abs(silenceOf(id) - own) <= lease);
  if (2 * peers.length <= working.size) return false;
  return peers.length > 1 || world.rows.nodes.every((node) => isSilent(world, node));
}

/** Nobody began it. On a node or an engine that is away that costs no budget: it waits for it, not because of it. */
function giveUpDispatch(world: World, attempt: AttemptRow): void {
  const node = nodeOf(world, attempt);
  const away = isSilent(world, node) || !node?.engines.includes(attempt.engine);
  endAttempt(world, attempt, {
    state: "LOST",
    reason: "dispatch_failed",
    cause: away ? "CAPACITY" : "NODE",
    message: `node ${attempt.nodeId} did not start it`,
  });
}

function loseSight(world: World, attempt: AttemptRow, stage: StageRow): void {
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    attemptId: attempt.id,
    type: "attempt.unreachable",
    changes: [
      {
        table: "Attempt",
        id: attempt.id,
        expect: { state: "RUNNING", leaseUntil: attempt.leaseUntil },
        set: { state: "UNREACHABLE" },
      },
    ],
  });
}

/** A node that does not speak, as far as was heard and by what its row says: it gets nothing new. */
export function isSilent(world: World, node: NodeRow | undefined): boolean {
  if (node === undefined) return true;
  const { nodeSilence } = world.policy.times;
  const age = world.now.getTime() - node.heartbeatAt.getTime();
  // Said in the future: before the clock was set back. It speaks when it has spoken again.
  if (!(Math.abs(age) < nodeSilence)) return true;
  return (world.observations.silence.nodes.get(node.id) ?? 0) >= nodeSilence;
}
