import { Random } from "../random.ts";
import { planRun } from "./pipeline-plan.ts";
import type { Fault, FaultKind, Plan } from "./types.ts";

/** How often each fault is drawn, beside the others that a seed allows. */
const weights: Record<FaultKind, number> = {
  "kill-serve": 6,
  "kill-agent": 6,
  "kill-worker": 8,
  "kill-shim": 4,
  "kill-valkey": 4,
  "kill-postgres": 4,
  "kill-backend": 5,
  "kill-machine": 2,
  "pause-serve": 4,
  "pause-agent": 4,
  "pause-worker": 4,
  "pause-shim": 2,
  "pause-valkey": 3,
  "pause-postgres": 3,
  "stale-agent": 5,
  "flush-queue": 3,
  "ring-again": 3,
  "delete-jobs": 3,
  "drop-outbox": 3,
  "refuse-requests": 3,
  "lose-replies": 5,
  "double-requests": 4,
  "slow-requests": 3,
  "old-requests": 4,
  "disk-full": 12,
  "torn-exit": 3,
  "torn-events": 3,
  "torn-checkpoint": 3,
  "torn-pid": 2,
  "remove-artifact": 3,
  cancel: 4,
  "submit-again": 2,
  "repeat-stage": 2,
};

/** The faults fall in the first seconds, while the runs go on. */
const windowMs = 2_200;

/** What seed `seed` is about. Pure. `only`: just these kinds of fault, for looking at one of them. */
export function makePlan(seed: number, only: readonly FaultKind[] = []): Plan {
  const random = new Random(`chaos ${seed}`);
  const nodes = random.chance(0.3) ? 2 : 1;
  const smallDisk = nodes === 1 && (random.chance(0.12) || only.includes("disk-full"));
  const runs = [planRun(random, random.int(1, 1_000_000), 0)];
  if (random.chance(0.25)) runs.push(planRun(random, random.int(1, 1_000_000), random.int(0, 400)));
  else if (random.chance(0.1)) runs.push({ ...runs[0]!, submitAt: random.int(0, 1_500) });
  const plan: Plan = {
    seed,
    nodes,
    serves: random.chance(0.2) ? 2 : 1,
    slots: random.int(1, 3),
    smallDisk,
    runs,
    faults: [],
  };
  const allowed: Partial<Record<FaultKind, number>> = { ...weights };
  if (!smallDisk) delete allowed["disk-full"];
  if (nodes === 1) delete allowed["stale-agent"];
  if (!runs.some(({ twice }) => twice)) delete allowed["submit-again"];
  if (only.length > 0)
    for (const kind of Object.keys(allowed) as FaultKind[]) if (!only.includes(kind)) delete allowed[kind];
  // One seed in twenty is left alone: it shows that an undisturbed run is what the checks expect.
  const count = random.chance(0.05) ? 0 : random.weighted({ 1: 1, 2: 2, 3: 3, 4: 3, 5: 2, 6: 1, 8: 1 });
  if (Object.keys(allowed).length > 0)
    for (let i = 0; i < Number(count); i++) plan.faults.push(planFault(random, allowed));
  plan.faults.sort((a, b) => a.at - b.at);
  return plan;
}

function planFault(random: Random, allowed: Partial<Record<FaultKind, number>>): Fault {
  const kind = random.weighted(allowed as Record<FaultKind, number>);
  // Short, longer than a lease, and for the stale agent longer than lease and grace.
  const short = random.chance(0.7);
  const ms =
    kind === "stale-agent" ? random.int(2_600, 3_600) : short ? random.int(20, 400) : random.int(900, 1_600);
  return { at: random.int(100, windowMs), kind, ms, pick: random.next() };
}
