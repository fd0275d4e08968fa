import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { packageRoot } from "../core/paths.ts";

/**
 * The worker protocol, version 1, as types. Its truth is stages/_worker/protocol.schema.json, which both this
 * file and the Python library check against.
 */

/** One input of a job: the folder of an artifact. */
export interface JobInput {
  kind: string;
  /** Name of the stage that made it; null for one from outside the run. */
  stage?: string | null;
  /** `file:///…` */
  uri: string;
  sha256?: string | null;
  meta?: Record<string, unknown>;
}

/** A committed checkpoint; `sha256` is that of its manifest.json. */
export interface ResumePoint {
  uri: string;
  step: number;
  sha256: string;
}

export interface Job {
  protocol: 1;
  run: string;
  stage: string;
  stageId: string;
  kind: string;
  shard: number;
  shards: number;
  attempt: string;
  epoch: number;
  inputs: JobInput[];
  with: Record<string, unknown>;
  model?: Record<string, unknown> | null;
  resources?: Record<string, unknown>;
  seed: number;
  /** Absolute folder of the attempt. */
  folder: string;
  /** Absolute folder; outputs are staged in <output>/<kind>/. */
  output: string;
  /** Absolute path of the event file. */
  events: string;
  checkpoint?: { every?: number; keep?: number; keepEvery?: number };
  /** `fork`: of another run, so settings and order may differ. `older`: taken when it is damaged, newest first. */
  resume?: (ResumePoint & { fork?: boolean; older?: ResumePoint[] }) | null;
  deadline?: string | null;
  heartbeatSeconds?: number;
}

export type WorkerPhase = "loading" | "compiling" | "training" | "saving";

/** A line of the event file. `at` is an ISO 8601 time. */
export type WorkerEvent = { at: string } & (
  | {
      type: "started";
      attempt: string;
      epoch: number;
      pid: number;
      program?: string;
      versions?: Record<string, unknown>;
      device?: string;
    }
  | { type: "heartbeat"; rssBytes?: number; step?: number }
  | { type: "phase"; phase: WorkerPhase; detail?: string }
  | { type: "progress"; step: number; of: number; unit: string }
  | { type: "metric"; name: string; step: number; value: number }
  | {
      type: "checkpoint";
      path: string;
      step: number;
      /** SHA-256 of its manifest.json. */
      sha256: string;
      bytes: number;
      cursor?: Record<string, unknown>;
    }
  | {
      type: "artifact";
      kind: string;
      path: string;
      sha256: string;
      bytes: number;
      meta?: Record<string, unknown>;
    }
  | {
      type: "warning";
      message: string;
      code?: string;
      /** SHA-256 of the manifest of the checkpoint it speaks of. */
      checkpoint?: string;
    }
  | {
      type: "result";
      status: "succeeded" | "failed" | "stopped";
      reason?: string;
      message?: string;
      hint?: string;
      metrics?: Record<string, number | null>;
      summary?: Record<string, unknown>;
    }
);

/** What is wrong with a value, one sentence a fault; empty when nothing is. */
export type Faults = string[];

const schemaFile = join(packageRoot, "stages", "_worker", "protocol.schema.json");
let opened: { validator(reference: string): ValidateFunction; events: ReadonlySet<string> } | undefined;

/** Checks a job against the protocol. */
export function faultsOfJob(value: unknown): Faults {
  return faults("job", protocol().validator("Job"), value);
}

/** Checks one event. The fault of an unknown type names the known ones. */
export function faultsOfEvent(value: unknown): Faults {
  const { events, validator } = protocol();
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  if (typeof type !== "string" || !events.has(type))
    return [`event: type is ${JSON.stringify(type)}, expected ${[...events].join(", ")}`];
  return faults(`event ${type}`, validator(type), value);
}

export function isWorkerEvent(value: unknown): value is WorkerEvent {
  return faultsOfEvent(value).length === 0;
}

/**
 * The schema, opened once. Each definition is compiled when it is first met, which takes milliseconds, and each
 * kind of event alone: a fault then speaks of that kind, not of all the others.
 */
function protocol(): NonNullable<typeof opened> {
  if (opened !== undefined) return opened;
  const schema = JSON.parse(readFileSync(schemaFile, "utf8")) as {
    $id: string;
    $defs: { Event: { oneOf: { $ref: string }[]; properties: unknown } };
  };
  const events = new Set(schema.$defs.Event.oneOf.map(({ $ref }) => $ref.slice($ref.lastIndexOf("/") + 1)));
  // Checking the schema itself would take longer than all else here; the tests of both sides do that.
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  addFormats.default(ajv);
  ajv.addSchema(schema);
  const compiled = new Map<string, ValidateFunction>();
  const compile = (name: string): ValidateFunction => {
    const definition = { $ref: `${schema.$id}#/$defs/${name}` };
    // What all events share stands beside the list of their kinds.
    const shared = { properties: schema.$defs.Event.properties };
    return ajv.compile(events.has(name) ? { allOf: [definition, shared] } : definition);
  };
  const validator = (name: string): ValidateFunction => {
    const validate = compiled.get(name) ?? compile(name);
    compiled.set(name, validate);
    return validate;
  };
  opened = { validator, events };
  return opened;
}

function faults(what: string, validate: ValidateFunction, value: unknown): Faults {
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const extra = (params as { additionalProperty?: string }).additionalProperty;
    return `${what}${instancePath.replaceAll("/", ".")} ${message}${extra === undefined ? "" : ` (${extra})`}`;
  });
}
