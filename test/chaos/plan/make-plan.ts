import { Random } from "../random.ts";
import { planRun } from "./pipeline-plan.ts";
import { type Fault, type FaultKind, type Plan, type WideFaultKind, wideFaultKinds } from "./types.ts";

/** How often each fault is drawn, beside the others that a seed allows. */
const weights: Record<Exclude<FaultKind, WideFaultKind>, number> = {
  "kill-serve": 6,
  "kill-agent": 6,
  "kill-worker": 8,
  "kill-shim": 4,
  "kill-valkey": 4,
  "kill-postgres": 4,
  "kill-backend": 5,
  "kill-machine": 4,
  "pause-serve": 4,
  "pause-agent": 4,
  "pause-worker": 4,
  "pause-shim": 2,
  "pause-valkey": 3,
  "pause-postgres": 3,
  "stale-agent": 25,
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
  "submit-again": 8,
  "repeat-stage": 2,
  "unreadable-run": 12,
};

/** In how many seeds each of the wide ones falls, where the site allows it. */
const chances: Record<WideFaultKind, number> = {
  "twin-agent": 0.25,
  "two-machines": 1,
  "clock-step": 0.32,
  "moved-workspace": 0.42,
  "poisoned-lines": 0.34,
  "outage-small-disk": 1,
  sleep: 0.34,
};

/** The faults fall in the first seconds, while the runs go on. */
const windowMs = 2_200;

/** What seed `seed` is about. Pure. `only`: just these kinds of fault, for looking at one of them. */
export function makePlan(seed: number, only: readonly FaultKind[] = []): Plan {
  const random = new Random(`chaos ${seed}`);
  const site = planSite(random, only);
  const runs = [planRun(random, random.int(1, 1_000_000), 0, site.smallDisk)];
  if (random.chance(0.25)) runs.push(planRun(random, random.int(1, 1_000_000), random.int(0, 400), false));
  else if (random.chance(0.2)) runs.push({ ...runs[0]!, submitAt: random.int(0, 1_500) });
  const plan: Plan = {
    seed,
    ...site,
    serves: random.chance(0.2) ? 2 : 1,
    slots: random.int(1, 3),
    runs,
    faults: [],
  };
  // One seed in twenty is left alone: it shows that an undisturbed run is what the checks expect.
  if (only.length === 0 && random.chance(0.05)) return plan;
  const mayFall = (kind: FaultKind) => fits(kind, plan) && (only.length === 0 || only.includes(kind));
  const wide = wideFaultKinds.filter(
    (kind) => mayFall(kind) && (only.length > 0 || random.chance(chances[kind])),
  );
  const allowed = Object.fromEntries(Object.entries(weights).filter(([kind]) => mayFall(kind as FaultKind)));
  const count = random.weighted({ 1: 2, 2: 3, 3: 3, 4: 2, 5: 2, 6: 1, 8: 1 });
  const others = Object.keys(allowed).length === 0 ? 0 : Number(count);
  const kinds = [
    ...wide,
    ...Array.from({ length: others }, () => random.weighted(allowed as typeof weights)),
  ];
  plan.faults = kinds.map((kind) => planFault(random, kind)).sort((a, b) => a.at - b.at);
  plan.ownClocks = kinds.includes("clock-step");
  return plan;
}

type SitePlan = Pick<Plan, "nodes" | "sharedDisk" | "smallDisk" | "ownClocks">;

/** One node, two with a folder each, two on one folder, or one on a small disk. */
function planSite(random: Random, only: readonly FaultKind[]): SitePlan {
  const asked = (kinds: FaultKind[]) => only.length === 0 || only.some((kind) => kinds.includes(kind));
  const drawn = random.weighted({
    plain:
      asked(["two-machines", "outage-small-disk", "disk-full", "stale-agent"]) && only.length > 0 ? 0 : 22,
    apart: asked(["stale-agent"]) ? 18 : 0,
    shared: asked(["two-machines"]) ? 34 : 0,
    small: asked(["outage-small-disk", "disk-full"]) ? 26 : 0,
  });
  return {
    nodes: drawn === "apart" || drawn === "shared" ? 2 : 1,
    sharedDisk: drawn === "shared",
    smallDisk: drawn === "small",
    ownClocks: false,
  };
}

/** Whether a kind of fault can fall on such a site. */
function fits(kind: FaultKind, { nodes, sharedDisk, smallDisk, runs }: Plan): boolean {
  if (kind === "disk-full" || kind === "outage-small-disk") return smallDisk;
  if (kind === "stale-agent") return nodes === 2 && !sharedDisk;
  if (kind === "two-machines") return sharedDisk;
  // A small disk is a place of its own: what is mounted is not moved.
  if (kind === "moved-workspace") return !smallDisk;
  if (kind === "submit-again") return runs.some(({ twice }) => twice);
  if (kind === "unreadable-run") return runs.length > 1;
  return true;
}

function planFault(random: Random, kind: FaultKind): Fault {
  const short = random.chance(0.7);
  const [least, most] = lasting[kind] ?? (short ? [20, 400] : [900, 1_600]);
  return { at: random.int(100, windowMs), kind, ms: random.int(least, most), pick: random.next() };
}

/** How long those last that are not as often short as not: short, or longer than a lease. */
const lasting: Partial<Record<FaultKind, readonly [number, number]>> = {
  // Longer than lease and grace.
  "stale-agent": [2_600, 3_600],
  sleep: [3_200, 4_000],
  "twin-agent": [700, 2_200],
  "clock-step": [300, 1_500],
  "moved-workspace": [50, 500],
  // Longer than several checkpoints.
  "outage-small-disk": [1_000, 2_200],
};
