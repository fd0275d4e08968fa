import type { OpenRows, StageRow } from "../core/rows.ts";
import { advanceStage } from "./advance-stage.ts";
import { measureGates } from "./gates.ts";
import { judgeAttempt } from "./judge-attempt.ts";
import { placeAttempts } from "./place.ts";
import { hasOutputs, isStageEnded } from "./states.ts";
import type { Decision, Observations, Policy, Within } from "./types.ts";
import { World } from "./world.ts";

/**
 * What is to happen now. Pure: the same rows, observations and time give the same actions, and none when everything is
 * as it should be. Attempts are judged first, then each run's stages in the order of the pipeline (so that the end of one
 * readies the next in the same pass), then free places are given out.
 * An error is one run's: what it met is decided again without that run, for all others. A run that is to stop is first
 * tried without its configuration, which its end does not hang on.
 */
export function decide(rows: OpenRows, observations: Observations, now: Date, policy: Policy): Decision {
  const faults = new Map<string, Error>();
  const plain = new Set<string>();
  for (;;) {
    const aside = new Set([...observations.aside, ...faults.keys()]);
    const world = new World(rows, observations, now, policy, { aside, plain });
    const thrown = decideAll(world);
    if (thrown.size === 0) {
      const { actions, lookups, held } = world;
      return {
        actions,
        lookups: [...lookups],
        wakeAt: nextBackOff(world),
        again: awaitsCommit(world),
        faults,
        held,
      };
    }
    for (const [run, error] of thrown) {
      if (!plain.has(run) && isToStop(rows, run)) plain.add(run);
      else faults.set(run, error);
    }
  }
}

/** Decides about all runs, each as far as it goes. @returns those that ended in an error */
function decideAll(world: World): Map<string, Error> {
  const thrown = new Map<string, Error>();
  const within: Within = (runId, work) => {
    if (thrown.has(runId)) return;
    try {
      work();
    } catch (error) {
      thrown.set(runId, error instanceof Error ? error : new Error(String(error)));
    }
  };
  for (const { attempt, runId } of world.liveAttempts()) within(runId, () => judgeAttempt(world, attempt));
  for (const { id } of world.openRuns()) within(id, () => advanceRun(world, id));
  placeAttempts(world, within);
  return thrown;
}

function isToStop(rows: OpenRows, run: string): boolean {
  return rows.stages.every((stage) => stage.runId !== run || isStageEnded(stage) || stage.desired === "STOP");
}

/**
 * A stage waits for another's outputs while one has ended by this very decision, or went back to wait: who waits for what
 * is seen again once that is committed.
 */
function awaitsCommit(world: World): boolean {
  if (world.moved.size === 0) return false;
  return world.openRuns().some(({ id }) => world.currentStages(id).some(isWaiting));
}

function isWaiting({ state, waitsFor }: StageRow): boolean {
  return state === "PENDING" && waitsFor != null;
}

function advanceRun(world: World, runId: string): void {
  for (const { id } of world.currentStages(runId)) {
    if (!isStageEnded(world.stage(id))) advanceStage(world, world.stage(id));
    if (world.isPlain(runId)) continue;
    if (hasOutputs(world.stage(id))) measureGates(world, world.stage(id));
  }
  if (world.isPlain(runId)) return;
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
