import type { MergeRules } from "../core/merge-rule.ts";

/** A JSON value, as it goes into job files, records and hashes. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A pipeline file after defaults, references, durations and bindings: what every later decision uses. Plain JSON. */
export interface ResolvedPipeline {
  version: 1;
  name: string;
  /** Absolute path of the pipeline file. */
  file: string;
  seed: number;
  /** configs/models/<name>.yaml with its name, or null where the pipeline names none. */
  model: ModelConfig | null;
  cluster: ClusterConfig;
  /** In stable topological order: the order of the file wherever `needs` leaves it open. */
  stages: ResolvedStage[];
}

export interface ResolvedStage {
  name: string;
  /** Name of the stage kind; its folder is the same with `-` as `_`. */
  kind: string;
  /** Version of the stage kind. */
  version: number;
  /** Place in `ResolvedPipeline.stages`. */
  position: number;
  /** Names of stages, as written. */
  needs: string[];
  inputs: ResolvedInput[];
  /** Kinds of artifact this stage commits. */
  outputs: string[];
  /** Names of result metrics that gates may use. */
  metrics: string[];
  /** A worker that runs before run.py in the same attempt, on the agent's host. */
  prepare: { runner: "node"; entry: string } | null;
  /** Options: validated, defaults filled in, references to configs/ inlined (with their `name`). */
  with: JsonObject;
  /**
   * What decides the output besides code, inputs and seed: options without those marked `x-cache: false`
   * (addresses, ports, concurrency), the number of shards, and the model where the kind reads it. Goes into the cache key.
   */
  identity: JsonObject;
  /** Files and folders from outside that its options name, as the worker gets them (plan/outside.ts reads such addresses). */
  external: string[];
  /**
   * Variables of teachers and judges for which the plan counts on a stand-in, since they were not set where the run was
   * submitted; all others have a model. Goes into the cache key with the code, and to the worker, which holds to it.
   */
  standIns?: string[];
  resources: { nodes: number; npus: number };
  shards: number;
  /** How the metrics of its shards become those of the stage; only of a split stage. */
  merge?: MergeRules;
  /** Shards that run at once at most; null for as many as there is room for. */
  concurrency: number | null;
  /** null where the kind makes no checkpoints or the file sets none: then the worker's default holds. */
  checkpoint: {
    every?: number | undefined;
    keep?: number | undefined;
    keep_every?: number | undefined;
  } | null;
  retry: RetryBudgets;
  timeoutSeconds: number | null;
  gates: ResolvedGate[];
}

/**
 * One bound input. `stage` is null for a folder from outside the run: then `uri` (file://…) says where it lies and
 * `sha256` stands for its content in cache keys. That hash is over its declared name and revision, not over its bytes.
 */
export type ResolvedInput =
  | { kind: string; stage: string }
  | { kind: string; stage: null; uri: string; sha256: string };

/** Attempts beyond the first, by class of cause. */
export interface RetryBudgets {
  infra: number;
  user: number;
  numeric: number;
}

export const gateComparisons = ["below", "above", "at_least", "at_most"] as const;
export type GateComparison = (typeof gateComparisons)[number];

/** `metric` of the stage compared with a number or with a metric of this or an earlier stage, as it is or so many times it. */
export interface ResolvedGate {
  metric: string;
  comparison: GateComparison;
  against: number | { stage: string; metric: string; times?: number };
}

/** configs/models/<name>.yaml: the architecture in Hugging Face's words; schema in configs/models/schema.json. */
export type ModelConfig = JsonObject & {
  name: string;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  tie_word_embeddings: boolean;
};

/** configs/clusters/<name>.yaml; schema in configs/clusters/schema.json. */
export type ClusterConfig = JsonObject & {
  name: string;
  /** Engine that starts attempts. */
  engine: "process" | "container" | "slurm" | "kubernetes" | "count";
  nodes: number;
  npus_per_node: number;
  /** Dense BF16 peak of one NPU in TFLOPS, for the cost estimate; null without NPUs. */
  peak_tflops: number | null;
  /** Share of the peak that training reaches, for the cost estimate. */
  mfu: number | null;
  image: string | null;
  env: { [name: string]: string };
  /** Names of the variables that a job may name; absent: those of core/variables.ts. */
  variables?: string[];
};
