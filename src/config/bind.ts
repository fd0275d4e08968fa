import type { Problem } from "./form/problem.ts";
import { problemAt, type YamlSource } from "./form/yaml-source.ts";
import type { ParsedPipeline } from "./pipeline-schema.ts";
import type { StageKind } from "./stage-kind.ts";
import type { ResolvedInput } from "./types.ts";

/** Folder of the pipeline's own weights, and the hash that stands for them. */
export interface ExternalModel {
  uri: string;
  sha256: string;
}

export interface Binding {
  inputs: ResolvedInput[];
  problems: Problem[];
}

/**
 * Binds the inputs of stage `name` by kind of artifact to the stages in its `needs`.
 * A `model` that no needed stage makes is the pipeline's own, where its configuration has `weights`;
 * a stage that takes many models gets that one too, first, to compare with.
 */
export function bindInputs(
  name: string,
  pipeline: ParsedPipeline,
  kinds: ReadonlyMap<string, StageKind>,
  externalModel: ExternalModel | null,
  source: YamlSource,
): Binding {
  const kind = kinds.get(name);
  if (!kind) return { inputs: [], problems: [] };
  const needs = pipeline.stages[name]!.needs;
  const makers = (wanted: string, among: readonly string[]) =>
    among.filter((stage) => kinds.get(stage)?.outputs.some((output) => output.kind === wanted));
  // A need that is no stage, or of no known kind, is an error of its own; what it would have made is unknown.
  const followsOther = needs.some((need) => !kinds.has(need));
  const inputs: ResolvedInput[] = [];
  const problems: Problem[] = [];
  for (const wanted of kind.inputs) {
    const found = makers(wanted.kind, needs);
    if (wanted.many && wanted.kind === "model" && externalModel) {
      inputs.push({ kind: "model", stage: null, ...externalModel });
    }
    const split = wanted.many ? undefined : found.find((stage) => pipeline.stages[stage]!.shards > 1);
    if (split !== undefined) {
      const { shards } = pipeline.stages[split]!;
      problems.push(
        problemAt(
          source,
          ["stages", split, "shards"],
          `${split} makes ${shards} of ${wanted.kind}, one a shard, but ${name} (${kind.name}) takes one`,
          { hint: `set shards of ${split} to 1` },
        ),
      );
    }
    if (found.length === 1 || (found.length > 1 && wanted.many)) {
      inputs.push(...found.map((stage) => ({ kind: wanted.kind, stage })));
    } else if (found.length > 1) {
      problems.push(
        problemAt(
          source,
          ["stages", name, "needs"],
          `${name} takes one ${wanted.kind}, but ${found.join(" and ")} both make one`,
          {
            expected: `one stage that makes a ${wanted.kind}`,
            hint: `take ${found.length === 2 ? "one" : "all but one"} of ${found.join(", ")} out of needs`,
          },
        ),
      );
    } else if (wanted.kind === "model" && externalModel) {
      if (wanted.many) continue;
      inputs.push({ kind: "model", stage: null, ...externalModel });
    } else if (!wanted.optional && !followsOther) {
      const others = makers(wanted.kind, Object.keys(pipeline.stages)).filter((stage) => stage !== name);
      problems.push(
        problemAt(
          source,
          ["stages", name, "needs"],
          `${name} takes a ${wanted.kind}, and no stage in its needs makes one`,
          {
            expected: `a stage that makes a ${wanted.kind} in needs`,
            hint: remedy(wanted.kind, others),
          },
        ),
      );
    }
  }
  return { inputs, problems };
}

function remedy(kind: string, makers: readonly string[]): string {
  if (makers.length > 0) return `add ${makers.join(" or ")} to needs`;
  if (kind === "model")
    return "add a stage that makes one, or name a model of configs/models/ that has `weights`";
  return `no stage of this pipeline makes a ${kind}`;
}
