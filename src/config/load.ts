import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { durationSeconds } from "../core/duration.ts";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { modelsFolder, sourceRoot } from "../core/paths.ts";
import { didYouMeanOrList } from "../core/suggest.ts";
import { quoted } from "../core/text.ts";
import { defaultVariables, mayBeNamed, mayBeSet, namedVariables } from "../core/variables.ts";
import { type Fit, withFittingDefaults } from "./annotations.ts";
import { bindInputs, type ExternalModel } from "./bind.ts";
import { configNames, type Resolved, readConfig, resolveOptions } from "./config-file.ts";
import { crossProblems, windowProblems } from "./cross-checks.ts";
import { parseOverrides } from "./form/overrides.ts";
import { type Path, type Problem, throwProblems } from "./form/problem.ts";
import {
  overriddenText,
  parseYaml,
  problemAt,
  readText,
  readYaml,
  type YamlSource,
} from "./form/yaml-source.ts";
import { resolveGates } from "./gates.ts";
import { parseLeniently } from "./lenient.ts";
import { checkNeeds } from "./needs.ts";
import type { ParsedPipeline } from "./pipeline-schema.ts";
import { readStageKind, type StageKind, stageKindNames } from "./stage-kind.ts";
import type { ClusterConfig, JsonObject, ModelConfig, ResolvedPipeline, ResolvedStage } from "./types.ts";

export interface LoadOptions {
  /** `--set a.b=c` arguments. */
  set?: readonly string[];
  /** Checkout whose stages/ and configs/ count. */
  root?: string;
  /** Text in place of what stands in the file now. */
  text?: string;
}

/** Reads and resolves a pipeline file. Throws E_CONFIG with every error, E_FILE_MISSING or E_USAGE. */
export function loadPipeline(file: string, options: LoadOptions = {}): ResolvedPipeline {
  const { pipeline, problems } = checkPipeline(file, options);
  throwProblems(resolve(file), problems);
  return pipeline!;
}

/** The text that gives the same pipeline without `set`: what a run keeps of its file. */
export function writtenText(file: string, set: readonly string[], text = readText(file)): string {
  return overriddenText(text, parseOverrides(set));
}

/** As `loadPipeline`, with the problems given back; `pipeline` is null where there are any. */
export function checkPipeline(
  file: string,
  { set = [], root = sourceRoot(), text }: LoadOptions = {},
): { pipeline: ResolvedPipeline | null; problems: Problem[] } {
  const overrides = parseOverrides(set);
  const source =
    text === undefined ? readYaml(resolve(file), overrides) : parseYaml(resolve(file), text, overrides);
  if (isOther(source)) return { pipeline: null, problems: [noPipeline(source)] };
  if (source.problems.length > 0) return { pipeline: null, problems: source.problems };
  const { value: pipeline, problems } = parseLeniently(source);
  if (!pipeline) return { pipeline: null, problems };

  const model =
    pipeline.model === undefined ? null : readNamed("models", ["model"], pipeline.model, source, root);
  const cluster = readNamed("clusters", ["cluster"], pipeline.cluster, source, root);
  problems.push(...(model?.problems ?? []), ...cluster.problems);
  if (cluster.problems.length === 0) problems.push(...clusterProblems(cluster.value, root));
  const kinds = readKinds(pipeline, source, root, problems);
  const order = checkNeeds(pipeline, source, problems);
  const weights = model && model.problems.length === 0 ? externalModel(model.value as ModelConfig) : null;

  const stages = order.flatMap((name, position): ResolvedStage[] => {
    const kind = kinds.get(name);
    if (!kind) return [];
    const fitting = { ...kind, with: withFittingDefaults(kind.with, fitOf(pipeline, name, model?.value)) };
    const stage = resolveStage(name, position, fitting, cluster.value, pipeline, source, root, problems);
    const bound = bindInputs(name, pipeline, kinds, weights, source);
    const gated = resolveGates(name, pipeline, kinds, source);
    problems.push(...bound.problems, ...gated.problems);
    if (kind.model && model) stage.identity.model = model.identity;
    return [{ ...stage, inputs: bound.inputs, gates: gated.gates }];
  });
  // Only over options that are sound by themselves.
  if (problems.length === 0) {
    problems.push(...crossProblems(stages, source));
    if (model) problems.push(...windowProblems(stages, kinds, model.value as ModelConfig, source));
  }
  if (problems.length > 0) return { pipeline: null, problems };
  return {
    pipeline: {
      version: 1,
      name: pipeline.name,
      file: source.file,
      seed: pipeline.seed,
      model: model && (model.value as ModelConfig),
      cluster: cluster.value as ClusterConfig,
      stages,
    },
    problems,
  };
}

/** What the defaults of a stage have to fit. */
function fitOf(pipeline: ParsedPipeline, stage: string, model: JsonObject | undefined): Fit {
  const { steps } = (pipeline.stages[stage]!.with ?? {}) as JsonObject;
  const positions = model?.max_position_embeddings;
  return {
    positions: typeof positions === "number" ? positions : null,
    steps: typeof steps === "number" ? steps : null,
  };
}

/** A file that was named by mistake: nothing in it looks like a pipeline, whether it is YAML or not. */
function isOther({ text, value }: YamlSource): boolean {
  if (value !== null && typeof value === "object" && !Array.isArray(value))
    return !["version", "name", "stages"].some((key) => key in value);
  return !/^["']?(version|stages)["']?[ \t]*:/m.test(text);
}

function noPipeline({ file, text }: YamlSource): Problem {
  const begins = text.trim();
  const message = `this is no pipeline: ${begins === "" ? "it is empty" : `it begins with ${quoted(begins, 40)}`}`;
  return {
    ...{ file, line: 1, column: 1, path: "", message },
    expected: "a YAML map with `version: 1`, `name` and `stages`",
    hint: "pipelines/demo.yaml is one; data is named inside of it, in `with` of a stage",
  };
}

function readNamed(folder: string, path: string[], name: string, source: YamlSource, root: string): Resolved {
  const known = configNames(folder, root);
  if (known.includes(name)) return readConfig(folder, name, root);
  const problem = problemAt(source, path, `there is no configs/${folder}/${name}.yaml`, {
    hint: didYouMeanOrList(name, known),
  });
  return { value: {}, identity: {}, external: [], problems: [problem] };
}

function readKinds(
  pipeline: ParsedPipeline,
  source: YamlSource,
  root: string,
  problems: Problem[],
): Map<string, StageKind> {
  const known = stageKindNames(root);
  const read = new Map<string, ReturnType<typeof readStageKind>>();
  const kinds = new Map<string, StageKind>();
  for (const [name, { uses }] of Object.entries(pipeline.stages)) {
    if (!known.includes(uses)) {
      const hint = didYouMeanOrList(uses, known);
      problems.push(
        problemAt(source, ["stages", name, "uses"], `there is no stage kind \`${uses}\``, { hint }),
      );
      continue;
    }
    if (!read.has(uses)) {
      const kind = readStageKind(uses, root);
      read.set(uses, kind);
      problems.push(...kind.problems);
    }
    const { kind } = read.get(uses)!;
    if (kind) kinds.set(name, kind);
  }
  return kinds;
}

function resolveStage(
  name: string,
  position: number,
  kind: StageKind,
  cluster: Partial<ClusterConfig>,
  pipeline: ParsedPipeline,
  source: YamlSource,
  root: string,
  problems: Problem[],
): Omit<ResolvedStage, "inputs" | "gates"> {
  const written = pipeline.stages[name]!;
  const at = ["stages", name];
  const options = resolveOptions(kind.with, written.with as JsonObject, source, [...at, "with"], { root });
  problems.push(...options.problems, ...forbidden(options.value, cluster, source, [...at, "with"]));
  if (written.shards > kind.shards.max) {
    problems.push(
      problemAt(source, [...at, "shards"], `${kind.name} cannot be split in ${written.shards}`, {
        expected: `at most ${kind.shards.max}`,
      }),
    );
  }
  return {
    name,
    kind: kind.name,
    version: kind.version,
    position,
    needs: written.needs,
    outputs: kind.outputs.map((output) => output.kind),
    metrics: kind.metrics,
    prepare: kind.prepare ?? null,
    with: options.value,
    identity: { with: options.identity, shards: written.shards },
    external: options.external,
    resources: {
      nodes: written.resources.nodes ?? Math.min(kind.resources.nodes, cluster.nodes ?? 1),
      npus: written.resources.npus ?? Math.min(kind.resources.npus, cluster.npus_per_node ?? 0),
    },
    shards: written.shards,
    ...(written.shards > 1 ? { merge: kind.merge } : {}),
    concurrency: written.concurrency ?? null,
    checkpoint: written.checkpoint ?? null,
    retry: written.retry,
    timeoutSeconds: written.timeout === undefined ? null : durationSeconds(written.timeout),
  };
}

/** Variables that the stage names and its cluster does not give to jobs. */
function forbidden(
  options: JsonObject,
  { name, variables = defaultVariables }: Partial<ClusterConfig>,
  source: YamlSource,
  at: Path,
): Problem[] {
  return namedVariables(options)
    .filter((named) => !variables.includes(named.name) || !mayBeNamed(named.name))
    .map((named) =>
      problemAt(source, [...at, ...named.path], `a job may not name the variable ${named.name}`, {
        expected: `one of ${variables.join(", ")}`,
        hint: mayBeNamed(named.name)
          ? `\`variables\` of configs/clusters/${name}.yaml lists those that jobs may name`
          : "variables of the control plane, and those that decide what a program loads, are never given to jobs",
      }),
    );
}

/** What of a cluster's file no agent takes. */
function clusterProblems(
  { name, env = {}, variables = [] }: Partial<ClusterConfig>,
  root: string,
): Problem[] {
  const source = readYaml(join(root, "configs", "clusters", `${name}.yaml`));
  return [
    ...Object.keys(env)
      .filter((variable) => !mayBeSet(variable))
      .map((variable) =>
        problemAt(source, ["env", variable], `${variable} is not set for workers`, {
          expected: "a variable that tunes MindSpore, CANN, HCCL or threads, and loads nothing",
        }),
      ),
    ...variables
      .filter((variable) => !mayBeNamed(variable))
      .map((variable) =>
        problemAt(source, ["variables", variables.indexOf(variable)], `${variable} is never given to jobs`, {
          expected: `capitals, digits and _; of LEGALONE_ variables only ${defaultVariables.join(", ")}`,
        }),
      ),
  ];
}

function externalModel(model: ModelConfig): ExternalModel | null {
  if (typeof model.weights !== "string") return null;
  const folder = model.weights.startsWith("models://")
    ? resolve(modelsFolder(), model.weights.slice("models://".length))
    : model.weights;
  const declared = { repository: model.repository ?? model.name, revision: model.revision ?? null };
  return { uri: pathToFileURL(folder).href, sha256: sha256(canonicalJson(declared)) };
}
