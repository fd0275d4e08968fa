import { LegaloneError } from "./errors.ts";
import type { StageResult } from "./rows.ts";

/*
 * Rows outlive the program that wrote them, and hands mend them. What anybody is to work with of the JSON in them is looked
 * at here first, once for each value.
 */

const sound = new WeakSet<object>();

/** That the spec of a stage's row is a resolved stage. @throws LegaloneError E_CONFLICT naming what is not */
export function checkRecordedStage({ name, spec }: { name: string; spec: unknown }): void {
  check(spec, `stage ${name}`, faultOfStage);
}

/** The spec of a stage's row as a resolved stage. @throws LegaloneError E_CONFLICT naming what it is not */
export function recordedSpec<Spec>(row: { name: string; spec: unknown }): Spec {
  checkRecordedStage(row);
  return row.spec as Spec;
}

/** What the stages of a run share, from its row. @throws LegaloneError E_CONFLICT naming what it is not */
export function recordedConfig<Config>({ id, config }: { id: string; config: unknown }): Config {
  check(config, `run ${id}`, faultOfConfig);
  return config as Config;
}

/**
 * The whole configuration of a run's row, with its stages: for those who plan or compute with it anew, in `work`. What that
 * does not expect in an otherwise sound one is an error of the row too.
 * @throws LegaloneError E_CONFLICT naming what it is not
 */
export function withRecordedPipeline<Config, Result>(
  run: { id: string; config: unknown },
  work: (config: Config) => Result,
): Result {
  const config = recordedConfig<Config & Fields>(run);
  const stages: unknown = config.stages;
  const isStage = (stage: unknown) =>
    isFields(stage) && isText(stage.name) && isFields(stage.with) && faultOfStage(stage) === undefined;
  if (!isText(config.file)) throw refusal(`run ${run.id}`, "file");
  if (!isListOf(stages, isStage)) throw refusal(`run ${run.id}`, "stages");
  try {
    return work(config);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError)
      throw refusal(`run ${run.id}`, error.message, error);
    throw error;
  }
}

/** A recorded result as it can be worked with; null for none, and for what is none. */
export function recordedResult(value: unknown): StageResult | null {
  if (!isFields(value)) return null;
  const { metrics, summary } = value;
  if (!isFields(metrics)) return null;
  return { metrics: metrics as StageResult["metrics"], summary: isFields(summary) ? summary : {} };
}

/** What a recorded value holds by name, for those who only show it; nothing of what has no names. */
export function fieldsOf(value: unknown): Readonly<Fields> {
  return isFields(value) ? value : {};
}

/** How many checkpoints of an attempt stay, and at multiples of how many steps more do; null for what is no such rule. */
export function recordedKeeping(
  checkpoint: unknown,
): { keep: number | null; keepEvery: number | null } | null {
  if (!isMissingOr(checkpoint, isCheckpointRule)) return null;
  const { keep, keep_every: keepEvery } = fieldsOf(checkpoint) as { keep?: number; keep_every?: number };
  return { keep: keep ?? null, keepEvery: keepEvery ?? null };
}

type Fields = Record<string, unknown>;

function check(value: unknown, whose: string, faultOf: (fields: Fields) => string | undefined): void {
  if (typeof value === "object" && value !== null && sound.has(value)) return;
  const fault = isFields(value) ? faultOf(value) : "all of it";
  if (fault !== undefined) throw refusal(whose, fault);
  sound.add(value as object);
}

function refusal(whose: string, fault: string, cause?: unknown): LegaloneError {
  return new LegaloneError(
    "E_CONFLICT",
    `the recorded configuration of ${whose.slice(0, 200)} cannot be used: ${fault.slice(0, 200)} is not what this version writes`,
    { hint: "`legalone cancel` ends the run; `legalone train` begins its pipeline anew", cause },
  );
}

/** Longer than any run, and with every time that there is a date still. */
const mostSeconds = 1e11;

function faultOfStage(spec: Fields): string | undefined {
  const { needs, inputs, outputs, gates, resources, retry, merge, checkpoint, prepare } = spec;
  if (!isListOf(needs, isText)) return "needs";
  if (!isListOf(outputs, isText)) return "outputs";
  if (
    !isListOf(
      inputs,
      (input) => isFields(input) && isText(input.kind) && (input.stage === null || isText(input.stage)),
    )
  )
    return "inputs";
  if (!isListOf(gates, isGate)) return "gate";
  if (!isFields(resources) || !isCount(resources.nodes) || !isCount(resources.npus)) return "resources";
  if (!isFields(retry) || !isCount(retry.infra) || !isCount(retry.user) || !isCount(retry.numeric))
    return "retry";
  if (!isMissingOr(merge, isFields)) return "merge";
  if (!isMissingOr(checkpoint, isCheckpointRule)) return "checkpoint";
  if (!isMissingOr(prepare, (value) => isFields(value) && isText(value.entry))) return "prepare";
  if (!isMissingOr(spec.standIns, (value) => isListOf(value, isText))) return "standIns";
  if (!isMissingOr(spec.timeoutSeconds, (value) => isNumber(value) && Math.abs(value) <= mostSeconds))
    return "timeoutSeconds";
  return isMissingOr(spec.concurrency, isNumber) ? undefined : "concurrency";
}

function faultOfConfig({ seed, cluster }: Fields): string | undefined {
  if (!Number.isSafeInteger(seed)) return "seed";
  if (!isFields(cluster) || !isText(cluster.engine)) return "cluster.engine";
  if (!isMissingOr(cluster.env, (env) => isFields(env) && Object.values(env).every(isText)))
    return "cluster.env";
  if (!isMissingOr(cluster.variables, (names) => isListOf(names, isText))) return "cluster.variables";
  return isMissingOr(cluster.image, isText) ? undefined : "cluster.image";
}

function isCheckpointRule(value: unknown): boolean {
  if (!isFields(value) || !isMissingOr(value.every, isCount)) return false;
  // Of none that stay nothing could go on.
  return [value.keep, value.keep_every].every((one) =>
    isMissingOr(one, (count) => isCount(count) && count > 0),
  );
}

function isGate(gate: unknown): boolean {
  if (!isFields(gate) || !isText(gate.metric)) return false;
  if (!["below", "above", "at_least", "at_most"].includes(gate.comparison as string)) return false;
  const { against } = gate;
  return Number.isFinite(against) || (isFields(against) && isText(against.stage) && isText(against.metric));
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isMissingOr(value: unknown, fits: (value: unknown) => boolean): boolean {
  return value === undefined || value === null || fits(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isListOf(value: unknown, fits: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}
