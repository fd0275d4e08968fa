/** What the workflow reads of a resolved stage (`Stage.spec`); the plan writes more beside it. */
export interface StageSpec {
  name: string;
  /** Stage kind: a folder of stages/. */
  kind: string;
  /** Version of the stage kind. */
  version: number;
  needs: string[];
  with: Record<string, unknown>;
  /** Resolved configs/models/<name>.yaml. */
  model: Record<string, unknown> | null;
  seed: number;
  shards: number;
  resources: { nodes: number; npus: number };
  checkpoint?: { every: number; keep: number };
  retry: RetryBudgets;
  /** Longest time of one attempt; null for none. */
  timeoutSeconds: number | null;
  gates: GateSpec[];
  /** Kinds of artifact it takes from the stages in `needs`. */
  inputs: InputSpec[];
  outputs: { kind: string }[];
  /** Inputs from outside the run. */
  external: { kind: string; uri: string; sha256: string | null; meta?: Record<string, unknown> }[];
  prepare?: { runner: "node"; entry: string };
  /** Engine asked for; absent: the first one the node has. */
  engine?: string;
  image?: string;
}

export interface InputSpec {
  kind: string;
  optional?: boolean;
  many?: boolean;
}

/** Retries allowed by class of cause; capacity is waited for without limit. */
export interface RetryBudgets {
  infra: number;
  user: number;
  numeric: number;
}

export const comparisons = ["below", "above", "at_least", "at_most"] as const;
export type Comparison = (typeof comparisons)[number];

/** A condition on a metric of the stage's result. */
export interface GateSpec {
  metric: string;
  comparison: Comparison;
  /** A number, a metric of the same stage, or `stage.metric`. */
  against: number | string;
}
