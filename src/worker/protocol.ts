import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SchemaValidateFunction } from "ajv";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { packageRoot } from "../core/paths.ts";
import { storable } from "../core/text.ts";

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
      /** SHA-256 of the input it speaks of. */
      input?: string;
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

/** One fault, and the field of the event that it is in. */
interface Fault {
  field: string;
  text: string;
}

/** Bounds of all that is in an object; the word `bounds` of the schema. */
interface Bounds {
  depth: number;
  values: number;
  text: number;
  key: number;
  size: number;
}

interface Protocol {
  validator(reference: string): ValidateFunction;
  events: ReadonlySet<string>;
  /** Fields of an event that are cut when they are too long, and at how many characters. */
  cut(type: string): ReadonlyMap<string, number>;
}

const schemaFile = join(packageRoot, "stages", "_worker", "protocol.schema.json");
let opened: Protocol | undefined;

/** Checks a job against the protocol. */
export function faultsOfJob(value: unknown): Faults {
  return faults("job", protocol().validator("Job"), value).map(({ text }) => text);
}

/** Checks one event. The fault of an unknown type names the known ones. */
export function faultsOfEvent(value: unknown): Faults {
  return eventFaults(value).map(({ text }) => text);
}

export function isWorkerEvent(value: unknown): value is WorkerEvent {
  return faultsOfEvent(value).length === 0;
}

/** Events that tell how it goes: what is not understood of one is left out. Facts are taken whole or not at all. */
const words: ReadonlySet<string> = new Set(["started", "heartbeat", "phase", "warning", "result"]);

/**
 * What a line of an event file says, as agent and serve take it: no line is trusted, and none stops those behind it. It is
 * cleaned (U+0000, half surrogate pairs, texts beyond their bound, numbers JSON has not). What then does not fit the
 * schema is put aside, and a warning that stands for it says where, what and why: of words the field, of facts
 * (checkpoint, artifact, metric, progress) the line.
 * @param where the line stands, for people
 */
export function eventsFrom(value: unknown, where: string): WorkerEvent[] {
  const told = cleaned(value);
  const found = eventFaults(told);
  if (found.length === 0) return [told as WorkerEvent];
  const said = `${where}: ${found
    .slice(0, 3)
    .map(({ text }) => storable(text, 300))
    .join("; ")}`;
  const type = (told as { type?: unknown } | null)?.type;
  if (typeof type === "string" && words.has(type)) {
    const bad = new Set(found.map(({ field }) => field));
    const rest = Object.fromEntries(Object.entries(told as object).filter(([key]) => !bad.has(key)));
    // It counts when it is read.
    const whole = bad.has("at") ? { ...rest, at: new Date().toISOString() } : rest;
    if (isWorkerEvent(whole))
      return [whole, warning("left_out", `${said}; the rest was taken: ${quote(told)}`)];
  }
  return [warning("no_event", `${said}: ${quote(told)}`)];
}

/** A warning event of our own about what a worker wrote. */
export function warning(code: string, message: string): Extract<WorkerEvent, { type: "warning" }> {
  return { type: "warning", at: new Date().toISOString(), code, message: storable(message, 2000) };
}

/** The beginning of a value as JSON. */
function quote(value: unknown): string {
  try {
    return storable(JSON.stringify(value) ?? String(value), 500);
  } catch {
    return "nested too deeply to be shown";
  }
}

/** Deeper than any bound of the schema, so that what was not cleaned is refused. */
const deepest = 64;

function cleaned(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { type, metrics } = value as { type?: unknown; metrics?: unknown };
  const cuts = typeof type === "string" ? protocol().cut(type) : undefined;
  const told = Object.entries(value).map(([key, inner]: [string, unknown]) =>
    typeof inner === "string"
      ? [storable(key), storable(inner, cuts?.get(key))]
      : [storable(key), clean(inner, 1)],
  );
  const event = Object.fromEntries(told) as Record<string, unknown>;
  // A metric that is no number was not measured; the others were.
  if (type === "result" && typeof metrics === "object" && metrics !== null && !Array.isArray(metrics))
    event.metrics = Object.fromEntries(
      Object.entries(event.metrics as object).map(([key, number]: [string, unknown]) => [
        key,
        typeof number === "number" && !Number.isFinite(number) ? null : number,
      ]),
    );
  return event;
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return storable(value);
  if (typeof value !== "object" || value === null || depth > deepest) return value;
  if (Array.isArray(value)) return value.map((inner) => clean(inner, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [storable(key), clean(inner, depth + 1)]),
  );
}

function eventFaults(value: unknown): Fault[] {
  const { events, validator } = protocol();
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  if (typeof type !== "string" || !events.has(type))
    return [
      {
        field: "type",
        text: `event: type is ${quote(type).slice(0, 100)}, expected ${[...events].join(", ")}`,
      },
    ];
  return faults(`event ${type}`, validator(type), value);
}

/**
 * The schema, opened once. Each definition is compiled when it is first met, which takes milliseconds, and each
 * kind of event alone: a fault then speaks of that kind, not of all the others.
 */
function protocol(): Protocol {
  if (opened !== undefined) return opened;
  const schema = JSON.parse(readFileSync(schemaFile, "utf8")) as {
    $id: string;
    $defs: Record<string, { maxLength?: number; properties?: Record<string, { $ref?: string }> }> & {
      Event: { oneOf: { $ref: string }[]; properties: unknown };
    };
  };
  const nameOf = ($ref: string) => $ref.slice($ref.lastIndexOf("/") + 1);
  const events = new Set(schema.$defs.Event.oneOf.map(({ $ref }) => nameOf($ref)));
  // Checking the schema itself would take longer than all else here; the tests of both sides do that.
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  addFormats.default(ajv);
  ajv.addKeyword({ keyword: "bounds", type: "object", errors: true, validate: withinBounds });
  ajv.addSchema(schema);
  const compiled = new Map<string, ValidateFunction>();
  const compile = (name: string): ValidateFunction => {
    const definition = { $ref: `${schema.$id}#/$defs/${name}` };
    // What all events share stands beside the list of their kinds.
    const shared = { $ref: `${schema.$id}#/$defs/Event/properties/at` };
    return ajv.compile(
      events.has(name) ? { allOf: [definition, { properties: { at: shared } }] } : definition,
    );
  };
  const validator = (name: string): ValidateFunction => {
    const validate = compiled.get(name) ?? compile(name);
    compiled.set(name, validate);
    return validate;
  };
  const cuts = new Map(
    [...events].map((type) => {
      const fields = Object.entries(schema.$defs[type]?.properties ?? {});
      const found = fields.flatMap(([field, { $ref }]): [string, number][] => {
        const name = $ref === undefined ? "" : nameOf($ref);
        return name === "Line" || name === "Text" ? [[field, schema.$defs[name]!.maxLength!]] : [];
      });
      return [type, new Map(found)];
    }),
  );
  opened = { validator, events, cut: (type) => cuts.get(type) ?? new Map() };
  return opened;
}

function faults(what: string, validate: ValidateFunction, value: unknown): Fault[] {
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const extra = (params as { additionalProperty?: string }).additionalProperty;
    return {
      field: instancePath === "" ? (extra ?? "") : unescaped(instancePath.split("/")[1]!),
      text: `${what}${instancePath.replaceAll("/", ".")} ${message}${extra === undefined ? "" : ` (${extra})`}`,
    };
  });
}

/** A part of a JSON pointer. */
function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** The word `bounds` of the schema, as ajv calls it. */
const withinBounds: SchemaValidateFunction = (bounds: Bounds, value: unknown): boolean => {
  const message = outOfBounds(bounds, value);
  if (message === undefined) return true;
  withinBounds.errors = [{ keyword: "bounds", message, params: {} }];
  return false;
};

/** What of a value is beyond its bounds, or undefined. */
export function outOfBounds(bounds: Bounds, value: unknown): string | undefined {
  let values = 0;
  let size = 0;
  const text = (one: string, most: number): string | undefined => {
    size += one.length;
    if (one.length > most) return `must not hold a text of ${one.length} characters, at most ${most}`;
    return storable(one) === one ? undefined : "must not hold U+0000 or half a surrogate pair";
  };
  const look = (one: unknown, depth: number): string | undefined => {
    if (++values > bounds.values) return `must not hold more than ${bounds.values} values`;
    if (typeof one === "string") return text(one, bounds.text);
    if (typeof one === "number") return Number.isFinite(one) ? undefined : `must not hold ${one}`;
    if (typeof one !== "object" || one === null) return undefined;
    if (depth > bounds.depth) return `must not be nested deeper than ${bounds.depth}`;
    for (const [key, inner] of Object.entries(one)) {
      if (key === "__proto__") return "must not have a key __proto__";
      const found = (Array.isArray(one) ? undefined : text(key, bounds.key)) ?? look(inner, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const found = look(value, 1);
  return found ?? (size > bounds.size ? `must not hold more than ${bounds.size} characters` : undefined);
}
