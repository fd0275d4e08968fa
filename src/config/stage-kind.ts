import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { sourceRoot } from "../core/paths.ts";
import { writtenForm } from "./annotations.ts";
import { schemaFault } from "./form/json-schema.ts";
import type { Problem } from "./form/problem.ts";
import { problemAt, readYaml, type YamlSource } from "./form/yaml-source.ts";
import { parseWith } from "./form/zod-problems.ts";
import type { JsonObject } from "./types.ts";

const input = z.strictObject({
  kind: z.string(),
  optional: z.boolean().default(false),
  many: z
    .boolean()
    .default(false)
    .describe("Takes every artifact of this kind from `needs`: of several stages, and of all shards of one."),
});

const mergeRule = z.union([
  z.enum(["sum", "same", "one"]),
  z.strictObject({ mean: z.string() }),
  z.strictObject({ quantile: z.number().min(0).max(1) }),
]);

/** Schema of stages/<kind>/stage.yaml. */
export const stageKindSchema = z.strictObject({
  name: z.string(),
  version: z.int().min(1),
  about: z.string(),
  inputs: z.array(input).default([]),
  outputs: z.array(z.strictObject({ kind: z.string() })),
  metrics: z
    .array(z.string())
    .default([])
    .describe("Result metrics gates may use; `*` or `<word>` stands for any word."),
  merge: z
    .record(z.string(), mergeRule)
    .default({})
    .describe("How a metric of a split stage comes from those of its shards; one without a rule does not."),
  model: z
    .boolean()
    .default(true)
    .describe("Whether the kind reads the pipeline's model; if so it is part of the cache key."),
  prepare: z.strictObject({ runner: z.literal("node"), entry: z.string() }).optional(),
  shards: z.strictObject({ max: z.int().min(1).default(1) }).default({ max: 1 }),
  resources: z
    .strictObject({ nodes: z.int().min(1).default(1), npus: z.int().min(0).default(0) })
    .default({ nodes: 1, npus: 0 }),
  with: z.record(z.string(), z.json()).default({}).describe("JSON Schema 2020-12 of `with`."),
});

export interface StageKind extends z.output<typeof stageKindSchema> {
  source: YamlSource;
  with: JsonObject;
}

/** Names of the stage kinds below `root`, sorted. */
export function stageKindNames(root = sourceRoot()): string[] {
  const stages = join(root, "stages");
  if (!existsSync(stages)) return [];
  return readdirSync(stages)
    .filter((folder) => existsSync(join(stages, folder, "stage.yaml")))
    .map((folder) => folder.replaceAll("_", "-"))
    .sort();
}

/** Reads stages/<kind>/stage.yaml; the kind must be one of `stageKindNames`. */
export function readStageKind(
  kind: string,
  root = sourceRoot(),
): { kind: StageKind; problems: [] } | { kind: null; problems: Problem[] } {
  const source = readYaml(join(root, "stages", kind.replaceAll("-", "_"), "stage.yaml"));
  if (source.problems.length > 0) return { kind: null, problems: source.problems };
  const parsed = parseWith(stageKindSchema, source);
  if (parsed.value === null) return { kind: null, problems: parsed.problems };
  const { with: options, ...rest } = parsed.value;
  const schema = { type: "object", additionalProperties: false, ...options } as JsonObject;
  const fault = schemaFault(writtenForm(schema));
  if (fault) return { kind: null, problems: [problemAt(source, ["with"], `no JSON Schema: ${fault}`)] };
  return { kind: { ...rest, with: schema, source }, problems: [] };
}
