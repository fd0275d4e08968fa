import type { ArtifactRow, ShardRow, StageRow } from "../core/rows.ts";
import { hasOutputs } from "./states.ts";
import type { World } from "./world.ts";

/**
 * The checkpoint that the next attempt of a shard goes on from: the newest committed one of the same run and stage name
 * (any generation) that was made under the same cache key, or an earlier one after numeric failures; null to start anew.
 */
export function resumePoint(world: World, stage: StageRow, shard: ShardRow): ArtifactRow | null {
  const byStep = new Map<number, ArtifactRow>();
  for (const artifact of checkpointsOf(world, stage, shard)) {
    const other = byStep.get(artifact.step ?? 0);
    if (!other || other.committedAt <= artifact.committedAt) byStep.set(artifact.step ?? 0, artifact);
  }
  const newestFirst = [...byStep.values()].sort((a, b) => (b.step ?? 0) - (a.step ?? 0));
  return newestFirst[shard.stepBack] ?? forkPoint(world, stage, shard);
}

/** The checkpoint of another run that a forked stage begins with. */
function forkPoint(world: World, stage: StageRow, shard: ShardRow): ArtifactRow | null {
  const start = stage.startFrom === null ? undefined : world.tables.Artifact.get(stage.startFrom);
  return start && start.shard === shard.index && start.goneAt === null ? start : null;
}

/**
 * A stage that is repeated on purpose (fresh) takes nothing from generations that ended well: their last checkpoint
 * would leave it nothing to do.
 */
function firstGeneration(world: World, stage: StageRow): number {
  if (!stage.fresh) return 1;
  const done = world.generationsOf(stage).filter(hasOutputs);
  return Math.max(0, ...done.map(({ generation }) => generation)) + 1;
}

function checkpointsOf(world: World, stage: StageRow, shard: ShardRow): ArtifactRow[] {
  if (stage.cacheKey === null) return [];
  const first = firstGeneration(world, stage);
  return world
    .generationsOf(stage)
    .filter(({ cacheKey, generation }) => cacheKey === stage.cacheKey && generation >= first)
    .flatMap(({ id }) => world.artifactsOfStage(id))
    .filter((artifact) => artifact.kind === "checkpoint" && artifact.shard === shard.index);
}

/** The latest step of which an attempt committed a checkpoint; null without one. */
export function latestStep(world: World, stage: StageRow, shard: ShardRow, attempt: string): number | null {
  const own = checkpointsOf(world, stage, shard).filter((row) => row.attemptId === attempt);
  return own.length === 0 ? null : Math.max(...own.map((row) => row.step ?? 0));
}
