import type { ResolvedPipeline, ResolvedStage } from "../../../src/config/types.ts";
import { readRun } from "../../../src/records/reads/runs.ts";
import { expectedOf } from "../model.ts";
import type { FaultKind, Plan, RunPlan } from "../plan/types.ts";
import type { Site } from "../site/site.ts";

export type Outcome = "succeeded" | "gate_failed" | "again";

/** Faults after which a stage may fail by its own fault: something it needs is broken or gone, or its last words are. */
const breaking: readonly FaultKind[] = [
  "torn-events",
  "torn-checkpoint",
  "torn-exit",
  "remove-artifact",
  "unreadable-run",
  "disk-full",
];

/**
 * What a run that has ended came to. `again`: it was cancelled, or failed for a reason that this seed accounts for, so that
 * somebody would resume it. Anything else that is not what an undisturbed run comes to is a fault.
 */
export async function outcomeOf(
  site: Site,
  plan: Plan,
  run: string,
): Promise<{ outcome: Outcome; faults: string[] }> {
  const { verdict } = await readRun(site.database, run);
  const row = await site.database.run.findUniqueOrThrow({ where: { id: run } });
  const { seed } = row.config as unknown as ResolvedPipeline;
  const of = plan.runs.find((one) => one.seed === seed)!;
  const expected = expectedOf(of);
  if (verdict.state === "cancelled") {
    const asked = plan.faults.some(({ kind }) => kind === "cancel");
    return { outcome: "again", faults: asked ? [] : [`run ${run} is cancelled, and nobody asked for it`] };
  }
  if (verdict.state === "failed") return { outcome: "again", faults: await unexcused(site, plan, of, run) };
  const wanted = expected.failedGates.size > 0 ? "gate_failed" : "succeeded";
  const faults =
    verdict.state === wanted ? [] : [`run ${run} is ${verdict.state}, undisturbed it is ${wanted}`];
  return { outcome: wanted, faults };
}

/** Failed stages whose budget is not spent, or whose failure nothing in this seed accounts for. */
async function unexcused(site: Site, plan: Plan, of: RunPlan, run: string): Promise<string[]> {
  const stages = await site.database.stage.findMany({
    where: { runId: run, state: "FAILED" },
    include: { shards: { where: { state: "FAILED" } } },
  });
  return stages.flatMap(({ id, spec, shards, reason, cause, message }) => {
    const { retry, mishaps } = of.stages.find(
      ({ name }) => name === (spec as unknown as ResolvedStage).name,
    )!;
    const [shard] = shards;
    const told = `stage ${id} failed: ${reason} (${cause}) ${message}`;
    if (cause === "NUMERIC") return mishaps.length > 0 ? [] : [told];
    if (cause === "NODE" || cause === "NETWORK")
      return shard && shard.infraUsed >= retry.infra
        ? []
        : [`${told}, with ${shard?.infraUsed} of ${retry.infra} tries`];
    const broken =
      plan.faults.some(({ kind }) => breaking.includes(kind)) ||
      mishaps.some(({ how }) => how === "crash" || how === "silent");
    const spent = shard === undefined || shard.userUsed >= retry.user;
    return broken && spent ? [] : [told];
  });
}
