import { fileURLToPath } from "node:url";

/** What an engine is to run. All paths are absolute; nothing in it is secret. */
export interface Launch {
  attempt: string;
  epoch: number;
  /** The attempt's folder: also the working folder of what runs. */
  folder: string;
  /** Written to <folder>/job.json before anything starts. */
  job: Record<string, unknown>;
  /** Run on the agent's machine before `main`, when there is one. */
  prepare?: string[];
  main: string[];
  /** Names of the agent's variables that the worker may read; their values are taken when it starts. */
  variables?: readonly string[];
  /** Added to the environment that the engine gives every worker. */
  env: Record<string, string>;
  /** Container engines: image by digest or name. */
  image?: string;
}

/**
 * How the worker left: exactly one of code and signal is set. `at` is an ISO 8601 time. `reason` and `message` are
 * there when the engine knows more than the number tells.
 */
export interface Exit {
  code: number | null;
  signal: string | null;
  at: string;
  reason?: "out_of_memory" | "dispatch_failed";
  message?: string;
}

/**
 * `lost`: it does not run and nothing tells how it ended, though `message` may tell why. It never runs again either.
 */
export type Observation =
  | { state: "running" }
  | { state: "exited"; exit: Exit }
  | { state: "lost"; message?: string };

/** An engine that does not answer now: what it runs may well go on, and the same call will do when it is back. */
export class EngineAway extends Error {
  override readonly name = "EngineAway";
}

/**
 * Whether an engine can be asked now: `away` since when and why. One that is `absent` is not installed and has nothing
 * here: nobody needs to hear of it.
 */
export type EngineState = { is: "here" } | { is: "absent" } | { is: "away"; since: string; why: string };

/**
 * Runs attempts so that they outlive the agent. Every action may be repeated without harm, and all of it may be
 * called by a new agent on what an old one started. Several nodes may share a folder of attempts: an engine knows, and
 * touches, those of its own node only. Passes test/contract/engine-conformance.ts.
 */
export interface Engine {
  /** As `engine` of a launch names it. */
  readonly name: string;
  /** Starts the attempt, once: a second call finds it started and does nothing. */
  start(launch: Launch): Promise<void>;
  /** Looks at one attempt. One that was never started is `lost`. */
  observe(attempt: string): Promise<Observation>;
  /**
   * Begins to stop it: TERM, `graceSeconds` later KILL for all its processes. Returns after the TERM. The first
   * call sets the pace; later calls can only make it end sooner.
   */
  stop(attempt: string, graceSeconds: number): Promise<void>;
  /** After a start of the agent: the attempts that are here and were not forgotten. Goes on with their stops. */
  adopt(): Promise<string[]>;
  /** Its end is recorded: frees what the engine holds for it. Files of the attempt stay. */
  forget(attempt: string): Promise<void>;
  /** Left out by engines that are always here; the calls of one that is away throw EngineAway. */
  state?(): EngineState;
}

/** Folders that a job reads: inputs, and the checkpoints it may go on from. */
export function pathsOf(job: Record<string, unknown>): string[] {
  const { inputs, resume } = job as { inputs?: unknown; resume?: { older?: unknown } | null };
  const older = Array.isArray(resume?.older) ? resume.older : [];
  const named = [...(Array.isArray(inputs) ? inputs : []), ...(resume ? [resume] : []), ...older];
  return named.flatMap((entry: { uri?: unknown }) =>
    // A worker takes what is no address for a path.
    typeof entry?.uri !== "string"
      ? []
      : [entry.uri.startsWith("file:") ? fileURLToPath(entry.uri) : entry.uri],
  );
}
