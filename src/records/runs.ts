import type { Database } from "./database.ts";

/** A stage of a new run. `spec` is the resolved stage, kept as JSON. */
export interface NewStage {
  name: string;
  kind: string;
  /** Place in the topological order. */
  position: number;
  shards: number;
  codeHash: string;
  needs: string[];
  spec: object;
}

export interface NewRun {
  pipeline: string;
  file: string;
  /** The resolved pipeline. */
  config: object;
  /** The text of the pipeline file. */
  written: string;
  configHash: string;
  idempotencyKey?: string;
  /** Last stage to run: it and what it needs; the others are recorded as CANCELLED (not_requested). */
  until?: string;
  createdBy: string;
  stages: NewStage[];
}

/** Inserts a run with its stages and shards, or attaches to the one of the same idempotency key. @throws E_CONFLICT */
export declare function submitRun(
  database: Database,
  run: NewRun,
): Promise<{ run: string; attached: boolean }>;
/** Adds a generation of every stage that failed or was cancelled; names of the stages. @throws E_NOT_FOUND, E_GATE_FAILED */
export declare function resumeRun(
  database: Database,
  run: string,
  options?: { stages?: string[]; until?: string; by?: string },
): Promise<string[]>;
/** Asks every stage that has not ended to stop; their names. @throws E_NOT_FOUND */
export declare function cancelRun(database: Database, run: string, by?: string): Promise<string[]>;
