import { didYouMean, listed } from "../core/suggest.ts";
import { isObject } from "./annotations.ts";
import type { Path, Problem } from "./form/problem.ts";
import { problemAt, type YamlSource } from "./form/yaml-source.ts";
import type { Json, JsonObject, ResolvedStage } from "./types.ts";

/** What the samples of a pipeline hold by the lead config of the stages that make them. */
interface Samples {
  /** Pools by task; null for a task without one. */
  pools: Map<string, string | null>;
  /** Whether there are general instructions. */
  general: boolean;
  /** Where the tasks stand. */
  rules: string;
}

/** Pools and tasks that fine-tuning and RL ask for, and that no sample of the pipeline will have. */
export function sampleProblems(stages: readonly ResolvedStage[], source: YamlSource): Problem[] {
  return stages.flatMap((stage) => {
    const samples = samplesOf(stage, stages);
    if (samples === null) return [];
    const { mix, levels } = stage.with;
    const entries = (value: Json | undefined) => (Array.isArray(value) ? value.filter(isObject) : []);
    const at = ["stages", stage.name, "with"];
    return [
      ...(stage.kind === "sft"
        ? entries(mix).flatMap((entry, i) => mixProblems(entry, samples, source, [...at, "mix", i]))
        : []),
      ...(stage.kind === "rl"
        ? entries(levels).flatMap((level, i) => levelProblems(level, samples, source, [...at, "levels", i]))
        : []),
    ];
  });
}

/** null where a stage makes them whose tasks are not known here. */
function samplesOf(stage: ResolvedStage, stages: readonly ResolvedStage[]): Samples | null {
  const makers = stages.filter(({ name }) =>
    stage.inputs.some((input) => input.kind === "samples" && input.stage === name),
  );
  const configs = makers.map(({ with: { lead } }) => lead);
  if (configs.length === 0 || !configs.every((lead) => isObject(lead) && isObject(lead.tasks))) return null;
  const leads = configs as (JsonObject & { tasks: JsonObject })[];
  const tasks = leads.flatMap(({ tasks }) => Object.entries(tasks));
  const names = [...new Set(leads.map(({ name }) => String(name)))];
  return {
    pools: new Map(
      tasks.map(([name, task]) => {
        const pool = isObject(task) ? task.pool : null;
        return [name, isObject(pool) ? String(pool.name) : null];
      }),
    ),
    general: leads.some(({ general }) => isObject(general) && Number(general.samples) > 0),
    rules: names
      .map((name) => (name === "inline" ? "the lead config" : `configs/lead/${name}.yaml`))
      .join(", "),
  };
}

const selectors = ["pool", "task", "source"] as const;

/** stages/sft/mix.py refuses the same, after mid-training. */
function mixProblems(entry: JsonObject, samples: Samples, source: YamlSource, at: Path): Problem[] {
  const chosen = selectors.filter((word) => entry[word]);
  if (chosen.length !== 1) {
    const seen = chosen.length === 0 ? "nothing" : chosen.join(" and ");
    return [
      problemAt(source, at, `an entry of the mix selects by ${seen}`, {
        expected: `exactly one of ${selectors.join(", ")}`,
        hint: "samples that are wanted by two of them are two entries",
      }),
    ];
  }
  if (entry.share === 0) return [];
  const tasks = [...samples.pools.keys(), ...(samples.general ? ["general"] : [])];
  return entry.pool
    ? unknownName("pool", String(entry.pool), poolsOf(samples), samples, source, at)
    : entry.task
      ? unknownName("task", String(entry.task), tasks, samples, source, at)
      : [];
}

function levelProblems(level: JsonObject, samples: Samples, source: YamlSource, at: Path): Problem[] {
  const { pool, task } = level;
  const unknown = [
    ...(pool ? unknownName("pool", String(pool), poolsOf(samples), samples, source, at) : []),
    ...(task ? unknownName("task", String(task), [...samples.pools.keys()], samples, source, at) : []),
  ];
  if (unknown.length > 0 || !pool || !task || samples.pools.get(String(task)) === pool) return unknown;
  return [
    problemAt(source, [...at, "pool"], `no sample of the task ${task} is in the pool ${pool}`, {
      expected: `the pool of ${task}: ${samples.pools.get(String(task)) ?? "it has none"}`,
      hint: "with both, a sample has to fit both; one of them is enough",
    }),
  ];
}

function poolsOf({ pools }: Samples): string[] {
  return [...pools.values()].filter((pool) => pool !== null);
}

function unknownName(
  what: "pool" | "task",
  name: string,
  known: readonly string[],
  { rules }: Samples,
  source: YamlSource,
  at: Path,
): Problem[] {
  if (known.includes(name)) return [];
  const near = didYouMean(name, known);
  return [
    problemAt(source, [...at, what], `no sample has the ${what} ${name}`, {
      expected: `one of ${listed(known)}`,
      hint: `${near ? `${near} ` : ""}the tasks and their pools stand in ${rules}`,
    }),
  ];
}
