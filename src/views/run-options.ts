import { shortValue } from "../core/differences.ts";
import { fieldsOf } from "../core/recorded.ts";
import type { RunDetail } from "../records/reads/runs.ts";

/** Of one run: options by name (`seed`, `sft.steps`) that other runs have otherwise; undefined where it has none. */
export type Differing = Map<string, unknown>;

/**
 * What is not the same in all of these runs of a pipeline, by the id of the run; of a pipeline with one run nothing is.
 * Pure.
 */
export function differingOptions(runs: readonly RunDetail[]): Map<string, Differing> {
  const found = new Map<string, Differing>(runs.map(({ run }) => [run.id, new Map()]));
  for (const pipeline of new Set(runs.map(({ run }) => run.pipeline))) {
    const group = runs.filter(({ run }) => run.pipeline === pipeline);
    collect(group.map(optionsOf), "", (path, values) => {
      for (const [i, { run }] of group.entries()) found.get(run.id)!.set(path, values[i]);
    });
  }
  return found;
}

/** `seed=1 sft.steps=50`: of many the first few. */
export function differingText(differing: Differing, most = 8): string {
  const parts = [...differing].flatMap(([path, value]) => {
    if (value === undefined) return [`no ${path}`];
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return [];
    return [`${path}=${typeof value === "string" ? value : shortValue(value, 30)}`];
  });
  const more = parts.length > most ? [`and ${parts.length - most} more`] : [];
  return [...parts.slice(0, most), ...more].join(" ");
}

/** Of a resolved stage: what follows from its place, its kind and its options. */
const derived = new Set(["position", "identity", "outputs", "metrics", "external", "version", "prepare"]);

/** What the run was asked to do, without what follows from that and from where its file lies. */
function optionsOf({ run }: RunDetail): unknown {
  const { stages, file: _, name: __, version: ___, ...around } = fieldsOf(run.config);
  const named = (Array.isArray(stages) ? stages : []).map((stage) => {
    const { name, with: options, ...rest } = fieldsOf(stage);
    const asked = Object.entries(rest).filter(([key]) => !derived.has(key));
    return [String(name), { ...Object.fromEntries(asked), ...fieldsOf(options) }];
  });
  const { from, until, forkedFrom } = run;
  return {
    ...around,
    ...(from === null ? {} : { from }),
    ...(until === null ? {} : { until }),
    ...(forkedFrom === null ? {} : { fork: forkedFrom }),
    ...Object.fromEntries(named),
  };
}

/** Finds every place where the values are not all the same; what has other names differs by those and not by what is in it. */
function collect(
  values: readonly unknown[],
  path: string,
  tell: (path: string, values: readonly unknown[]) => void,
): void {
  const texts = new Set(values.map((value) => JSON.stringify(value)));
  if (texts.size <= 1) return;
  const fields = values.map((value) => (isContainer(value) ? value : null));
  const kinds = new Set(values.map((value) => (Array.isArray(value) ? value.length : -1)));
  if (fields.includes(null) || kinds.size > 1) {
    tell(path, values);
    return;
  }
  const names = fields.map((value) => (value as Record<string, unknown>).name);
  if (path !== "" && names.every((name) => typeof name === "string") && new Set(names).size > 1) {
    tell(path, names);
    return;
  }
  for (const key of new Set(fields.flatMap((value) => Object.keys(value!))))
    collect(
      fields.map((value) => (value as Record<string, unknown>)[key]),
      path === "" ? key : `${path}.${key}`,
      tell,
    );
}

function isContainer(value: unknown): value is object {
  return value !== null && typeof value === "object";
}
