import { canMount } from "../support/small-disk.ts";
import { makePlan } from "./plan/make-plan.ts";
import { type FaultKind, faultKinds, type Plan } from "./plan/types.ts";
import { runSeed, type SeedResult } from "./run-seed.ts";
import { Lane } from "./site/lane.ts";
import { Machine } from "./site/machine.ts";
import type { Site } from "./site/site.ts";

export interface ChaosOptions {
  seeds: readonly number[];
  /** Pairs of servers, each with seeds of its own. */
  workers: number;
  /** Only these faults. */
  only?: readonly FaultKind[];
  /** What the processes said is kept in any case. */
  keep?: boolean;
  onResult?: (plan: Plan, result: SeedResult) => void;
  /** Looks at a site after its checks, before it is taken down. */
  see?: (plan: Plan, site: Site, hit: readonly string[]) => Promise<void>;
}

export interface ChaosSummary {
  seeds: number;
  violations: number;
  /** Seeds with a violation. */
  failed: number[];
  faults: Partial<Record<FaultKind, number>>;
  /** Found nothing to hit at their moment. */
  missed: number;
  /** Left out because this machine does not allow them. */
  skipped: Partial<Record<FaultKind, number>>;
  outcomes: Record<string, number>;
  resumes: number;
  attempts: number;
  seconds: number;
}

/** Runs seeds side by side and adds up what happened. */
export async function runSeeds({
  seeds,
  workers,
  only,
  onResult,
  see,
  keep = false,
}: ChaosOptions): Promise<ChaosSummary> {
  const began = Date.now();
  const summary: ChaosSummary = {
    seeds: 0,
    violations: 0,
    failed: [],
    faults: {},
    missed: 0,
    skipped: {},
    outcomes: {},
    resumes: 0,
    attempts: 0,
    seconds: 0,
  };
  const cannot: FaultKind[] = [];
  if (!canMount()) cannot.push("disk-full", "outage-small-disk");
  if (!Machine.canStart()) cannot.push("two-machines");
  const queue = [...seeds];
  await Promise.all(
    Array.from({ length: Math.min(workers, seeds.length) }, async () => {
      const lane = await Lane.open();
      try {
        for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
          const plan = makePlan(seed, only);
          leaveOut(plan, cannot, summary);
          const result = await runSeed(lane, plan, {
            keep,
            see: see && ((site, hit) => see(plan, site, hit)),
          });
          add(summary, result);
          onResult?.(plan, result);
        }
      } finally {
        await lane.close();
      }
    }),
  );
  summary.seconds = Math.round((Date.now() - began) / 100) / 10;
  return summary;
}

/** What this machine cannot do is not done, and counted. */
function leaveOut(plan: Plan, cannot: readonly FaultKind[], { skipped }: ChaosSummary): void {
  // Without mounts there is no small disk, and none that two serves share.
  if (cannot.includes("disk-full")) Object.assign(plan, { smallDisk: false, serves: 1 });
  if (cannot.includes("two-machines") && plan.sharedDisk)
    Object.assign(plan, { nodes: 1, sharedDisk: false });
  for (const { kind } of plan.faults) if (cannot.includes(kind)) skipped[kind] = (skipped[kind] ?? 0) + 1;
  plan.faults = plan.faults.filter(({ kind }) => !cannot.includes(kind));
}

function add(summary: ChaosSummary, result: SeedResult): void {
  summary.seeds++;
  summary.violations += result.violations.length;
  if (result.violations.length > 0) summary.failed.push(result.seed);
  for (const kind of faultKinds) {
    if (result.injected[kind]) summary.faults[kind] = (summary.faults[kind] ?? 0) + result.injected[kind];
    summary.missed += result.missed[kind] ?? 0;
  }
  for (const [outcome, count] of Object.entries(result.outcomes))
    summary.outcomes[outcome] = (summary.outcomes[outcome] ?? 0) + count;
  summary.resumes += result.resumes;
  summary.attempts += result.attempts;
}
