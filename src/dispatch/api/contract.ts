import { z } from "zod";
import { mostPlaces } from "../../core/rows.ts";
import { storable } from "../../core/text.ts";
import { outOfBounds } from "../../worker/protocol.ts";

/**
 * What agents and serve say to each other over HTTP. Every part of a request is checked with these schemas on the server:
 * each number, name, list and text has a bound. Types are inferred from them and serve both sides (import them with
 * `import type`, zod stays out of the agent). What is said to people is cleaned and cut; anything else is refused.
 */

/** A name of ours (node, attempt, engine, kind): it can be no path, and no way out of one. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/, "expected a name of letters, digits, '.', '_' and '-'");
export const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 of 64 hexadecimal digits");
const epoch = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);
/** Attempts that one node can hold. */
const mostHeld = 10_000;

/** Words for people. */
const text = (most: number) => z.string().transform((given) => storable(given, most));

/** Facts for people, of any form. */
const facts = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  const message = outOfBounds({ depth: 6, values: 2000, text: 4000, key: 200, size: 65_536 }, value);
  if (message !== undefined) context.addIssue(message);
});
const instance = z.string().regex(/^[A-Za-z0-9-]{1,100}$/, "expected the name of an instance");

/** What an agent says about one attempt it holds. */
export const heldAttempt = z.object({
  attempt: name,
  epoch,
  state: z.enum(["running", "exited", "lost"]),
});
export type HeldAttempt = z.infer<typeof heldAttempt>;

export const syncRequest = z.object({
  agent: z.object({
    pid: z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
    build: text(200),
    address: text(500),
    engines: z.array(name).max(20),
    npus: z.int().min(0).max(mostPlaces),
    /** How many attempts may run at once where there are no NPUs to count. */
    slots: z.int().min(1).max(mostPlaces),
    info: facts.default({}),
    /** Name of the agent's workspace (the `id` of its workspace.json); absent: it has serve's own folder. */
    workspace: text(100).optional(),
    /** Names the process of the agent. One instance holds the node's name; those of older programs have none. */
    instance: instance.optional(),
    /**
     * Instances that ran on the agent's folder before: what they began it goes on with. Where it can tell that the one that
     * holds the name is gone, it need not wait for a silence.
     */
    predecessors: z
      .array(z.object({ instance, gone: z.boolean() }))
      .max(100)
      .optional(),
    /** Engines that are set up here and do not answer: nothing new is for them, and nothing of theirs is lost. */
    away: z
      .array(z.object({ engine: name, since: z.iso.datetime({ offset: true }).max(40), why: text(2000) }))
      .max(20)
      .optional(),
  }),
  attempts: z.array(heldAttempt).max(mostHeld),
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
  /** Variables that a job of its cluster may name; absent: those of defaultVariables. */
  variables?: string[];
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

/** An event of a worker (stages/_worker/protocol.schema.json), checked by whoever holds it. */
export interface EventLine {
  type: string;
  at: string;
  [field: string]: unknown;
}

/**
 * Lines of an event file from byte `offset` on; `bytes` is how many bytes of the file they cover. A batch without
 * lines and bytes is a sign of life; lines that cover no bytes are a look ahead, sent again in their turn.
 * What is no event does not refuse the batch: the server puts it aside (eventsFrom of src/worker/protocol.ts).
 */
export const eventBatch = z.object({
  /** The agent's, as in its sync. */
  instance: instance.optional(),
  epoch,
  offset: z.int().min(0),
  bytes: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  lines: z.array(z.unknown()).max(10_000),
});
export type EventBatch = Omit<z.infer<typeof eventBatch>, "lines"> & { lines: EventLine[] };

export type IngestReply =
  | {
      status: "accepted";
      acknowledged: number;
      desired: "RUN" | "STOP";
      graceSeconds: number;
      /** Steps of checkpoints that stay beside those of the rule: forks are to begin with them. */
      keep?: number[];
    }
  | { status: "stale" }
  | { status: "wrong_offset"; acknowledged: number };

/** Sent once, after all lines are acknowledged. `lost`: no process and no exit.json. */
export const exitReport = z.object({
  /** The agent's, as in its sync. */
  instance: instance.optional(),
  epoch,
  code: z
    .int()
    .min(-(2 ** 31))
    .max(2 ** 31 - 1)
    .nullable(),
  signal: z
    .string()
    .regex(/^[A-Z0-9][A-Z0-9+-]{0,19}$/)
    .nullable(),
  lost: z.boolean().default(false),
  at: z.iso.datetime({ offset: true }).max(40),
  /** A reason the agent knows better than the exit code: dispatch_failed, disk_full, … */
  reason: name.optional(),
  message: text(10_000).optional(),
  /** Somebody here asked it to stop (stop.json), which serve need not have heard of: `down --workers` does. */
  asked: z.boolean().optional(),
});
export type ExitReport = z.infer<typeof exitReport>;

/** A request that does not fit its schema: 400. */
export class RequestRefused extends Error {}

/** @throws RequestRefused with the first places that do not fit */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const places = result.error.issues.map((issue) => `${issue.path.join(".") || "request"}: ${issue.message}`);
  throw new RequestRefused(storable(places.slice(0, 5).join("; "), 1000));
}

/** A whole number in an address. */
const whole = z
  .string()
  .regex(/^\d{1,16}$/, "expected a whole number")
  .transform(Number)
  .pipe(z.int().min(0));

export const named = z.object({ id: name });
export const uploadParams = z.object({ id: name, sha256: hash, index: whole.default(0) });
export const uploadQuery = z.object({
  /** The agent's, as in its sync. */
  instance: instance.optional(),
  epoch: whole.pipe(epoch),
  offset: whole.default(0),
});
export const artifactParams = z.object({ sha256: hash, index: whole.default(0) });

/** Sent by an agent that leaves: its node's name is free at once. */
export const leaveNotice = z.object({ instance });

/** Who holds a node's name, in answers with the code E_NODE_TAKEN. */
export interface NodeHolder {
  instance: string | null;
  host: string;
  pid: number | null;
  since: string | null;
}

export interface Health {
  ok: boolean;
  build: string;
  pid: number;
  database: boolean;
  queue: boolean;
  /** Of serve to the database; `timedOut` counts what found none free. */
  connections: { limit: number; inUse: number; waiting: number; timedOut: number } | null;
  /** Runs about which nothing can be decided now, and why; all others go on. */
  quarantined: { run: string; since: string; error: string; tries: number; retryAt: string }[];
}

/**
 * What the HTTP server asks of the control plane; src/cli/serve wires it to records and workflow. What an instance sends that
 * does not hold its node's name is refused with E_NODE_TAKEN, whatever it is.
 */
export interface ControlPort {
  sync(node: string, request: SyncRequest): Promise<SyncReply>;
  ingest(attempt: string, batch: EventBatch): Promise<IngestReply>;
  leave(node: string, instance: string): Promise<void>;
  /** False: the epoch is stale or the attempt has ended; the report changed nothing. */
  exit(attempt: string, report: ExitReport): Promise<boolean>;
  /** @throws LegaloneError E_NOT_FOUND when there is no such live attempt */
  launch(attempt: string): Promise<LaunchSpec>;
  doorbell(): void;
  health(): Promise<Health>;
}
