import type { HashedInput } from "../core/cache-key.ts";
import type { EarlierStage } from "../core/earlier-stage.ts";
import type { Changed } from "./changed.ts";

/** What is there already, gathered before planning; the plan is a pure function of the pipeline and this. */
export interface Existing {
  /** Code hash by name of the stage. */
  codeHashes: Readonly<Record<string, string>>;
  /** Stages that succeeded before, by cache key. */
  cached: ReadonlyMap<string, CachedStage>;
  /** Where `legalone resume` would go on: by cache key, the newest checkpoint of a stage that did not end well. */
  checkpoints: ReadonlyMap<string, Checkpoint>;
  /** The newest earlier run's stage of the same name that has outputs. */
  earlier: Readonly<Record<string, EarlierStage>>;
  /** Of a fork: the checkpoint of another run that a stage begins with, by name of the stage. */
  starts: Readonly<Record<string, Checkpoint & { sha256: string }>>;
  /** Addresses and folders from outside that are missing. */
  missing: ReadonlySet<string>;
  /** Names of environment variables that the pipeline needs and that are not set. */
  unsetVariables: ReadonlySet<string>;
  /** Bytes that the disk of the workspace has left, where stages run on this machine; null: not known here. */
  freeBytes: number | null;
  /** What the early look refuses a stage for, as sentences, by name of the stage. */
  early: Readonly<Record<string, readonly string[]>>;
  /** What it could not see, or what may change before it counts. */
  warnings: readonly string[];
}

export interface Checkpoint {
  run: string;
  step: number;
}

export interface CachedStage {
  run: string;
  stageId: string;
  /** Committed outputs, shards in order, without checkpoints. */
  artifacts: HashedInput[];
}

export const stageActions = ["RUN", "SKIP", "RESUME", "BLOCKED"] as const;
export type StageAction = (typeof stageActions)[number];

export interface PlannedStage {
  name: string;
  kind: string;
  position: number;
  action: StageAction;
  /** One sentence: which input is missing or changed, where a skipped output comes from. */
  why: string;
  /** What of outside is not there, as sentences. */
  missing: string[];
  /** What `train` would refuse it for and `--assume-inputs` takes as there, as sentences. */
  assumed: string[];
  /** What differs from the earlier run it was compared with; empty where there is none, or nothing does. */
  changed: Changed[];
  /** The earlier run. */
  comparedWith: string | null;
  /** For RESUME: the step it goes on from. */
  step: number | null;
  shards: number;
  resources: { nodes: number; npus: number };
  /** null until every input is committed. */
  cacheKey: string | null;
  cost: StageCost;
}

/** An estimate; null where it is not known before an earlier stage has run. */
export interface StageCost {
  tokens: number | null;
  steps: number | null;
  npuHours: number | null;
  wallHours: number | null;
  checkpointBytes: number | null;
}

/** What is missing, and the stages that lack it. */
export interface Lack {
  what: string;
  stages: string[];
}

export interface Totals {
  npuHours: number | null;
  wallHours: number | null;
  checkpointBytes: number;
  /** What the sums leave out: stages that use NPUs for a time nobody knows before they run, and servers beside them. */
  leftOut: { stages: string[]; servers: string[] };
}

export interface Plan {
  pipeline: string;
  file: string;
  cluster: string;
  model: { name: string; parameters: number } | null;
  stages: PlannedStage[];
  totals: Totals;
  /** Everything that blocks the run, with the stages that lack it. */
  missing: Lack[];
  /** Everything that was only assumed: `train` refuses the pipeline for it. */
  assumed: Lack[];
  /** The run that `legalone resume` would go on with from checkpoints, in place of a new one. */
  resume: string | null;
  warnings: string[];
  /**
   * `blocked`: something is missing and the command ends with exit code 3. `assumed`: it would be, but for `--assume-inputs`.
   * `ready` stands for no pipeline that `train` refuses.
   */
  verdict: "ready" | "nothing to do" | "blocked" | "assumed";
}
