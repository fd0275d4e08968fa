import type { OpenRows } from "../core/rows.ts";
import { advanceStage } from "./advance-stage.ts";
import { measureGates } from "./gates.ts";
import { judgeAttempt } from "./judge-attempt.ts";
import { placeAttempts } from "./place.ts";
import { hasOutputs, isStageEnded } from "./states.ts";
import type { Decision, Observations, Policy } from "./types.ts";
import { World } from "./world.ts";

/**
 * What is to happen now. Pure: the same rows, observations and time give the same actions, and none when everything is
 * as it should be. Attempts are judged first, then each run's stages in the order of the pipeline (so that the end of one
 * readies the next in the same pass), then free places are given out.
 */
export function decide(rows: OpenRows, observations: Observations, now: Date, policy: Policy): Decision {
  const world = new World(rows, observations, now, policy);
  for (const attempt of world.liveAttempts()) judgeAttempt(world, attempt);
  for (const run of rows.runs) advanceRun(world, run.id);
  placeAttempts(world);
  return { actions: world.actions, lookups: [...world.lookups], wakeAt: nextBackOff(world) };
}

function advanceRun(world: World, runId: string): void {
  for (const { id } of world.currentStages(runId)) {
    if (!isStageEnded(world.stage(id))) advanceStage(world, world.stage(id));
    if (hasOutputs(world.stage(id))) measureGates(world, world.stage(id));
  }
  // A gate may be compared with a stage that comes later in the order; by now that one may have ended too.
  for (const stage of world.currentStages(runId)) if (hasOutputs(stage)) measureGates(world, stage);
}

function nextBackOff(world: World): Date | null {
  let next = world.rows.nextTryAt;
  for (const { state, notBefore } of world.tables.Shard.values()) {
    if (state !== "PENDING" || notBefore === null || notBefore <= world.now) continue;
    if (next === null || notBefore < next) next = notBefore;
  }
  return next;
}
