/** Rows as far as a decision about what may be removed goes. */
export interface GarbageFacts {
  now: Date;
  runs: {
    id: string;
    createdAt: Date /** Of its last stage; null while it goes on. */;
    endedAt: Date | null;
  }[];
  /** All generations. */
  stages: { id: string; runId: string; kind: string; cachedFrom: string | null; startFrom: string | null }[];
  attempts: { id: string; runId: string; ended: boolean }[];
  /** Those that are gone too: lineage leads through them. */
  artifacts: GarbageArtifact[];
}

export interface GarbageArtifact {
  id: string;
  kind: string;
  sha256: string;
  uri: string;
  bytes: bigint;
  runId: string;
  stageId: string;
  attemptId: string;
  parents: string[];
  gone: boolean;
}

export interface GarbagePolicy {
  /** A run that ended less than this ago keeps everything. */
  olderThanMs: number;
  /** The newest runs keep everything, however old. */
  keepRuns: number;
}

export const reasonsToKeep = ["live", "newest", "recent", "used", "start", "delivered"] as const;
export type ReasonToKeep = (typeof reasonsToKeep)[number];

/** What may go, and why the rest stays. */
export interface GarbageDecision {
  /** Artifacts, checkpoints among them. */
  artifacts: GarbageArtifact[];
  /** Attempts whose folders go. */
  attempts: string[];
  /** By id of the artifact. */
  kept: Map<string, ReasonToKeep>;
}

/**
 * Decides what nobody needs. Pure. Everything stays of a run that goes on, is among the newest, or ended lately: a resume
 * finds it, a later run takes it by content. Of an older run only this stays: what a run of the first sort took from it by content,
 * the checkpoint such a run was forked from, and every output in the lineage of a delivered model. Checkpoints are in no lineage,
 * unless a fork began with one.
 */
export function decideGarbage(facts: GarbageFacts, policy: GarbagePolicy): GarbageDecision {
  const runs = keptRuns(facts, policy);
  const kept = new Map<string, ReasonToKeep>();
  const there = facts.artifacts.filter(({ gone }) => !gone);
  for (const { id, runId } of there) {
    const why = runs.get(runId);
    if (why) kept.set(id, why);
  }
  const keptStages = facts.stages.filter(({ runId }) => runs.has(runId));
  const sources = new Set(keptStages.map(({ cachedFrom }) => cachedFrom));
  const starts = new Set(keptStages.map(({ startFrom }) => startFrom));
  for (const { id, kind, stageId } of there) {
    if (kept.has(id)) continue;
    if (sources.has(stageId) && kind !== "checkpoint") kept.set(id, "used");
    else if (starts.has(id)) kept.set(id, "start");
  }
  for (const id of deliveredLineage(facts)) if (!kept.has(id)) kept.set(id, "delivered");
  const attemptOf = new Map(facts.artifacts.map(({ id, attemptId }) => [id, attemptId]));
  const checkpoints = new Set(there.filter(({ kind }) => kind === "checkpoint").map(({ id }) => id));
  const holding = new Set(
    [...kept.keys()].filter((id) => checkpoints.has(id)).map((id) => attemptOf.get(id)),
  );
  return {
    artifacts: there.filter(({ id }) => !kept.has(id)),
    attempts: facts.attempts
      .filter(({ id, runId, ended }) => ended && !runs.has(runId) && !holding.has(id))
      .map(({ id }) => id),
    kept,
  };
}

function keptRuns({ runs, now }: GarbageFacts, policy: GarbagePolicy): Map<string, ReasonToKeep> {
  const newestFirst = [...runs].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  return new Map(
    newestFirst.flatMap(({ id, endedAt }, i): [string, ReasonToKeep][] => {
      if (endedAt === null) return [[id, "live"]];
      if (i < policy.keepRuns) return [[id, "newest"]];
      return now.getTime() - endedAt.getTime() < policy.olderThanMs ? [[id, "recent"]] : [];
    }),
  );
}

/** Every artifact that is there and that a delivery was made from, the deliveries with it. */
function deliveredLineage({ artifacts, stages }: GarbageFacts): Set<string> {
  const byId = new Map(artifacts.map((artifact) => [artifact.id, artifact]));
  const exports = new Set(stages.filter(({ kind }) => kind === "export").map(({ id }) => id));
  const open = artifacts.filter(
    ({ kind, stageId, gone }) =>
      !gone && (kind === "delivery" || (exports.has(stageId) && kind !== "checkpoint")),
  );
  const seen = new Set<string>();
  for (let one = open.pop(); one; one = open.pop()) {
    if (seen.has(one.id)) continue;
    seen.add(one.id);
    open.push(...one.parents.flatMap((parent) => byId.get(parent) ?? []));
  }
  return new Set([...seen].filter((id) => !byId.get(id)?.gone));
}
