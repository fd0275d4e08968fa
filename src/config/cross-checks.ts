import { didYouMean, listed } from "../core/suggest.ts";
import { annotated, isObject } from "./annotations.ts";
import { corpusProblems, packedGroups } from "./corpus-checks.ts";
import { corpusGroups } from "./corpus-groups.ts";
import type { Path, Problem } from "./form/problem.ts";
import { problemAt, type YamlSource } from "./form/yaml-source.ts";
import { sampleProblems } from "./sample-checks.ts";
import type { Json, JsonObject, ModelConfig, ResolvedStage } from "./types.ts";

// What no schema of one option says: options that contradict each other, known before anything runs.

/**
 * Schedules that do not fit their steps, bands in the wrong order, weights that leave nothing to sample, and what is asked
 * of a corpus or of samples that cannot have it.
 */
export function crossProblems(stages: readonly ResolvedStage[], source: YamlSource): Problem[] {
  const groups = corpusGroups(stages);
  const single = stages.flatMap((stage) => {
    const at = ["stages", stage.name, "with"];
    const { schedule, bands, pas } = stage.with;
    return [
      ...(isObject(schedule)
        ? scheduleProblems(schedule, stepsOf(stage, stages), source, [...at, "schedule"])
        : []),
      ...(isObject(bands) ? bandProblems(bands, source, [...at, "bands"]) : []),
      ...(isObject(pas) && isObject(pas.weights)
        ? weightProblems(pas.weights, groups, source, [...at, "pas", "weights"])
        : []),
      ...(isObject(pas) && Array.isArray(pas.amendments)
        ? amendmentProblems(pas.amendments, stepsOf(stage, stages), groups, source, [
            ...at,
            "pas",
            "amendments",
          ])
        : []),
      ...(isObject(pas) ? weightedGroups(pas, packedGroups(stage, stages), source, [...at, "pas"]) : []),
    ];
  });
  return [...single, ...corpusProblems(stages, source), ...sampleProblems(stages, source)];
}

/** Groups that weights name and whose documents are not packed. null: not known here. */
function weightedGroups(
  pas: JsonObject,
  packed: ReadonlySet<string> | null,
  source: YamlSource,
  at: Path,
): Problem[] {
  if (packed === null) return [];
  const amendments = Array.isArray(pas.amendments) ? pas.amendments : [];
  const named = [
    { weights: pas.weights, path: [...at, "weights"] },
    ...amendments.map((one, i) => ({
      weights: isObject(one) ? one.weights : undefined,
      path: [...at, "amendments", i, "weights"],
    })),
  ];
  return named.flatMap(({ weights, path }) =>
    Object.keys(isObject(weights) ? weights : {})
      .filter((group) => !packed.has(group))
      .map((group) =>
        problemAt(source, [...path, group], `no documents of the group ${group} are packed`, {
          expected: `one of ${listed([...packed].sort())}`,
          hint: didYouMean(group, [...packed]) ?? "take it out, or give the corpus a source of it",
        }),
      ),
  );
}

/** Lengths, marked `x-window` in stage.yaml, that are more than the model reads, alone or after the prompt they follow. */
export function windowProblems(
  stages: readonly ResolvedStage[],
  kinds: ReadonlyMap<string, { with: JsonObject }>,
  { name, max_position_embeddings }: ModelConfig,
  source: YamlSource,
): Problem[] {
  const positions = Number(max_position_embeddings);
  return stages.flatMap((stage) =>
    annotated(kinds.get(stage.name)!.with, stage.with, "x-window").flatMap(({ path, value, annotation }) => {
      const after = isObject(annotation) && typeof annotation.after === "string" ? annotation.after : null;
      const before = after === null ? 0 : Number(valueAt(stage.with, after.split(".")) ?? 0);
      if (typeof value !== "number" || value + before <= positions) return [];
      const at = ["stages", stage.name, "with", ...path];
      const what = after === null ? `${value} tokens are` : `${value} tokens after ${before} of ${after} are`;
      return [
        problemAt(source, at, `${what} more than ${name} reads`, {
          expected: `at most ${positions}${after === null ? "" : " together"} (max_position_embeddings)`,
          hint: "make it shorter, or name a model with a longer window",
        }),
      ];
    }),
  );
}

function valueAt(value: Json | undefined, [head, ...rest]: readonly string[]): Json | undefined {
  return head === undefined ? value : valueAt(isObject(value) ? value[head] : undefined, rest);
}

/** `steps` null: not known before the data is. */
export function scheduleProblems(
  schedule: JsonObject,
  steps: number | null,
  source: YamlSource,
  at: Path,
): Problem[] {
  const { warmup, decay, min, max } = schedule;
  const problems: Problem[] = [];
  if (steps !== null && Number(warmup) + Number(decay) > steps) {
    problems.push(
      problemAt(source, at, `warm-up ${warmup} and decay ${decay} are longer than the ${steps} steps`, {
        hint: "make them shorter, or train longer",
      }),
    );
  }
  if (Number(min) > Number(max))
    problems.push(problemAt(source, [...at, "min"], `min ${min} is above max ${max}`));
  return problems;
}

/** Steps as written, or as many as `tokens` need in sequences of the stage that packs them. */
function stepsOf(stage: ResolvedStage, stages: readonly ResolvedStage[]): number | null {
  const { steps, tokens, batch } = stage.with;
  if (typeof steps === "number") return steps;
  if (stage.prepare?.entry !== "pas-order" || typeof tokens !== "number") return null;
  const packer = stage.inputs.find(({ kind }) => kind === "packed")?.stage;
  const length = stages.find(({ name }) => name === packer)?.with.sequence_length;
  return typeof length === "number" ? Math.ceil(tokens / (Number(batch) * length)) : null;
}

function bandProblems({ mode, low, middle, high }: JsonObject, source: YamlSource, at: Path): Problem[] {
  if (![low, middle, high].every((value) => typeof value === "number")) return [];
  if (!(Number(low) < Number(middle) && Number(middle) < Number(high))) {
    return [
      problemAt(source, at, `the thresholds are ${low}, ${middle} and ${high}`, {
        expected: "low below middle below high",
      }),
    ];
  }
  if (mode === "quantile" && Number(high) > 1)
    return [problemAt(source, [...at, "high"], `${high} is no quantile`, { expected: "at most 1" })];
  return [];
}

function amendmentProblems(
  amendments: readonly Json[],
  steps: number | null,
  groups: readonly string[],
  source: YamlSource,
  at: Path,
): Problem[] {
  let before = 0;
  return amendments.flatMap((amendment, i) => {
    if (!isObject(amendment)) return [];
    const step = Number(amendment.step);
    const problems: Problem[] = [];
    const wrong = (message: string) => problems.push(problemAt(source, [...at, i, "step"], message));
    if (step <= before && i > 0) wrong(`step ${step} comes after step ${before}; amendments go forward`);
    if (steps !== null && step >= steps)
      wrong(`step ${step} is not reached: the steps are 0 to ${steps - 1}`);
    before = step;
    if (isObject(amendment.weights))
      problems.push(...weightProblems(amendment.weights, groups, source, [...at, i, "weights"]));
    return problems;
  });
}

/** A group that is not named has its share by tokens: only where all are named nothing is left. */
function weightProblems(
  weights: JsonObject,
  groups: readonly string[],
  source: YamlSource,
  at: Path,
): Problem[] {
  const all = groups.every((group) => Object.hasOwn(weights, group));
  const named = Object.values(weights).flatMap((share) => (isObject(share) ? Object.values(share) : [share]));
  const empty = Object.keys(weights).filter((group) => isObject(weights[group]) && isEmpty(weights[group]));
  return [
    ...empty.map((group) =>
      problemAt(source, [...at, group], "a group without a band gets nothing", {
        hint: "name its bands with their shares, or leave the group out to give it its share by tokens",
      }),
    ),
    ...(all && empty.length === 0 && named.length > 0 && named.every((share) => share === 0)
      ? [problemAt(source, at, "every weight is 0", { expected: "a weight above 0" })]
      : []),
  ];
}

const isEmpty = (value: object) => Object.keys(value).length === 0;
