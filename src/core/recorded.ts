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

/** That the configuration of a run's row is a resolved pipeline. @throws LegaloneError E_CONFLICT naming what is not */
export function checkRecordedRun({ id, config }: { id: string; config: unknown }): void {
  check(config, `run ${id}`, ({ seed, cluster }) => {
    if (!Number.isSafeInteger(seed)) return "seed";
    return isFields(cluster) && isText(cluster.engine) ? undefined : "cluster.engine";
  });
}

/** A recorded result as it can be worked with; null for none, and for what is none. */
export function recordedResult(value: unknown): StageResult | null {
  if (!isFields(value)) return null;
  const { metrics, summary } = value;
  if (!isFields(metrics)) return null;
  return { metrics: metrics as StageResult["metrics"], summary: isFields(summary) ? summary : {} };
}

type Fields = Record<string, unknown>;

function check(value: unknown, whose: string, faultOf: (fields: Fields) => string | undefined): void {
  if (typeof value === "object" && value !== null && sound.has(value)) return;
  const fault = isFields(value) ? faultOf(value) : "all of it";
  if (fault !== undefined)
    throw new LegaloneError(
      "E_CONFLICT",
      `the recorded configuration of ${whose.slice(0, 200)} cannot be used: ${fault} is not what this version writes`,
      { hint: "`legalone cancel` ends the run; `legalone train` begins its pipeline anew" },
    );
  sound.add(value as object);
}

function faultOfStage(spec: Fields): string | undefined {
  const { needs, inputs, outputs, gates, resources, retry, merge } = spec;
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
  if (merge !== undefined && merge !== null && !isFields(merge)) return "merge";
  return ["concurrency", "timeoutSeconds"].find(
    (name) => !(spec[name] == null || Number.isFinite(spec[name])),
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

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isListOf(value: unknown, fits: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}
