import { z } from "zod";

/**
 * What agents and serve say to each other over HTTP. Bodies are checked with these schemas on the server;
 * the types serve both sides (import them with `import type`, zod stays out of the agent).
 */

const name = z.string().min(1).max(200);

/** What an agent says about one attempt it holds. */
export const heldAttempt = z.object({
  attempt: name,
  epoch: z.int().min(1),
  state: z.enum(["running", "exited", "lost"]),
});
export type HeldAttempt = z.infer<typeof heldAttempt>;

export const syncRequest = z.object({
  agent: z.object({
    pid: z.int(),
    build: z.string(),
    address: z.string(),
    engines: z.array(name),
    npus: z.int().min(0),
    /** How many attempts may run at once where there are no NPUs to count. */
    slots: z.int().min(1),
    info: z.record(z.string(), z.unknown()).default({}),
    /** What workspace.id says in the agent's folder; absent: it has serve's own folder. */
    workspace: z.string().max(100).optional(),
  }),
  attempts: z.array(heldAttempt),
});
export type SyncRequest = z.infer<typeof syncRequest>;

/** One try, as the agent is to start it. */
export interface LaunchSpec {
  attempt: string;
  epoch: number;
  engine: string;
  node: string;
  /** A Node worker (entry in dist/worker/) run before run.py with the same job file. */
  prepare?: { entry: string };
  kind: string;
  /**
   * The job of stages/_worker/protocol.schema.json. `folder`, `output` and `events` are relative to the
   * workspace (`attempts/<attempt>`, …); the agent makes them absolute.
   */
  job: Record<string, unknown>;
  env: Record<string, string>;
  graceSeconds: number;
  image?: string;
}

export interface SyncReply {
  /** Attempts of this node that are to run; starting one that runs already is no error. */
  assignments: LaunchSpec[];
  stop: { attempt: string; graceSeconds: number }[];
  /** Attempts the agent named that are live in the records; it may forget (and must stop) all others. */
  known: string[];
  intervalSeconds: number;
  /** `far`: the agent has another folder than serve; artifacts go over HTTP. Absent: shared. */
  store?: "shared" | "far";
  /** Build of serve. */
  build?: string;
}

/**
 * Lines of an event file from byte `offset` on; `bytes` is how many bytes of the file they cover. A batch without
 * lines and bytes is a sign of life; lines that cover no bytes are a look ahead, sent again in their turn.
 * The agent adds `uri` to `artifact` and `checkpoint` events once the folder is where it stays.
 */
export const eventBatch = z.object({
  epoch: z.int().min(1),
  offset: z.int().min(0),
  bytes: z.int().min(0),
  lines: z.array(z.looseObject({ type: z.string(), at: z.string() })).max(10_000),
});
export type EventBatch = z.infer<typeof eventBatch>;
export type EventLine = EventBatch["lines"][number];

export type IngestReply =
  | { status: "accepted"; acknowledged: number; desired: "RUN" | "STOP"; graceSeconds: number }
  | { status: "stale" }
  | { status: "wrong_offset"; acknowledged: number };

/** Sent once, after all lines are acknowledged. `lost`: no process and no exit.json. */
export const exitReport = z.object({
  epoch: z.int().min(1),
  code: z.int().nullable(),
  signal: z.string().nullable(),
  lost: z.boolean().default(false),
  at: z.iso.datetime({ offset: true }),
  /** A reason the agent knows better than the exit code: dispatch_failed, disk_full, … */
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type ExitReport = z.infer<typeof exitReport>;

export interface Health {
  ok: boolean;
  build: string;
  pid: number;
  database: boolean;
  queue: boolean;
}

/** What the HTTP server asks of the control plane; src/cli/serve wires it to records and workflow. */
export interface ControlPort {
  sync(node: string, request: SyncRequest): Promise<SyncReply>;
  ingest(attempt: string, batch: EventBatch): Promise<IngestReply>;
  /** False: the epoch is stale or the attempt has ended; the report changed nothing. */
  exit(attempt: string, report: ExitReport): Promise<boolean>;
  /** @throws LegaloneError E_NOT_FOUND when there is no such live attempt */
  launch(attempt: string): Promise<LaunchSpec>;
  doorbell(): void;
  health(): Promise<Health>;
}
