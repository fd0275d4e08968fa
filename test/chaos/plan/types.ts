/** One seed's whole story: what is run, and what befalls it. Plain data, so that it can be printed. */
export interface Plan {
  seed: number;
  /** Agents: the second has a workspace of its own and may be thought dead, or is another machine on the first one's disk. */
  nodes: 1 | 2;
  /** Both agents work in one folder, the second with another hostname, another boot and processes the first cannot see. */
  sharedDisk: boolean;
  /** Control planes on the one database: the second stands by. */
  serves: 1 | 2;
  slots: number;
  /** The workspace lies on a small tmpfs (root only). */
  smallDisk: boolean;
  /** Daemons have a clock that the seed sets. */
  ownClocks: boolean;
  runs: RunPlan[];
  faults: Fault[];
}

export interface RunPlan {
  /** Of the pipeline; two runs of the same seed are the same run to the cache. */
  seed: number;
  stages: StagePlan[];
  /** Milliseconds after the start. */
  submitAt: number;
  /** Submitted again at once with the same idempotency key. */
  twice: boolean;
}

export interface StagePlan {
  name: string;
  needs: string[];
  outputs: string[];
  shards: number;
  concurrency: number | null;
  steps: number;
  stepMs: number;
  every: number;
  keep: number;
  padKb: number;
  retry: { infra: number; user: number; numeric: number };
  /** The loss it ends with has to be below this. */
  gate: number | null;
  mishaps: Mishap[];
  clock: { at: number; hours: number }[];
  /** It leaves a process behind in its session. */
  helper: boolean;
  /** It does not hear TERM. */
  deaf: boolean;
}

export const mishapKinds = ["nan", "memory", "endpoint", "crash", "signal", "silent", "hang"] as const;

/** What a worker of this epoch does at step `at`. */
export interface Mishap {
  epoch: number;
  at: number;
  how: (typeof mishapKinds)[number];
}

/** Of the whole place rather than of one process: drawn so often that 600 seeds hold each a hundred times. */
export const wideFaultKinds = [
  "twin-agent",
  "two-machines",
  "clock-step",
  "moved-workspace",
  "poisoned-lines",
  "outage-small-disk",
  "sleep",
] as const;
export type WideFaultKind = (typeof wideFaultKinds)[number];

export const faultKinds = [
  ...wideFaultKinds,
  "kill-serve",
  "kill-agent",
  "kill-worker",
  "kill-shim",
  "kill-valkey",
  "kill-postgres",
  "kill-backend",
  "kill-machine",
  "pause-serve",
  "pause-agent",
  "pause-worker",
  "pause-shim",
  "pause-valkey",
  "pause-postgres",
  "stale-agent",
  "flush-queue",
  "ring-again",
  "delete-jobs",
  "drop-outbox",
  "refuse-requests",
  "lose-replies",
  "double-requests",
  "slow-requests",
  "old-requests",
  "disk-full",
  "torn-exit",
  "torn-events",
  "torn-checkpoint",
  "torn-pid",
  "remove-artifact",
  "cancel",
  "submit-again",
  "repeat-stage",
  "unreadable-run",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  /** Milliseconds after the start. */
  at: number;
  kind: FaultKind;
  /** How long it lasts, where it lasts: a pause, the time until something that was killed is started again. */
  ms: number;
  /** From 0 to 1: which of those it could hit. */
  pick: number;
}
