import { z } from "zod";
import { durationPattern } from "../core/duration.ts";
import { gateComparisons } from "./types.ts";

// The one source of the pipeline file: types, defaults, JSON Schema and docs/pipeline.md all come from here.

/** Names stand in the names of folders, in every view and in every id. */
const mostOfName = 100;

/** Of stages and stage kinds: without dots, which divide the paths of `--set` and of gates. */
const name = z
  .string()
  .max(mostOfName)
  .regex(/^[a-z][a-z0-9-]*$/);
/** Of pipelines and files of configs/. */
const fileName = z
  .string()
  .max(mostOfName)
  .regex(/^[a-z][a-z0-9.-]*$/);
const count = z.int().min(0);

/** `metric`, `<stage>.<metric>`, either with a factor before it: `2 * midtrain.legal_ppl`. */
export const thresholdForm = /^(?:(\d+(?:\.\d+)?) *\* *)?([A-Za-z_][\w-]*)(?:\.([A-Za-z_]\w*))?$/;
const threshold = z.union([z.number(), z.string().regex(thresholdForm)]).optional();

const gate = z
  .strictObject({
    metric: z.string().describe("Result metric of this stage; its stage kind lists them in stage.yaml."),
    below: threshold.describe(
      "Holds when the metric is smaller. A number, a metric of this stage, or `<stage>.<metric>`; a metric may have a factor: `2 * midtrain.legal_ppl`.",
    ),
    above: threshold.describe("Holds when the metric is greater."),
    at_least: threshold.describe("Holds when the metric is greater or equal."),
    at_most: threshold.describe("Holds when the metric is smaller or equal."),
  })
  .refine((written) => gateComparisons.filter((word) => written[word] !== undefined).length === 1, {
    message: `a gate has exactly one of ${gateComparisons.join(", ")}`,
  });

const resources = z.strictObject({
  nodes: z.int().min(1).optional().describe("Nodes of a gang: all of them or none."),
  npus: count.optional().describe("NPUs of each node; 0 on a machine without."),
});

const checkpoint = z.strictObject({
  every: z.int().min(1).optional().describe("Steps from one checkpoint to the next."),
  keep: z.int().min(1).optional().describe("Newest checkpoints to keep."),
  keep_every: z
    .int()
    .min(1)
    .optional()
    .describe("Checkpoints at multiples of this many steps stay too, for forks; none when left out."),
});

const retry = z.strictObject({
  infra: count.default(10).describe("Attempts after a fault of node, network or NPU."),
  user: count.default(0).describe("Attempts after an error in options, data or code."),
  numeric: count
    .default(2)
    .describe("Attempts after a loss that is not a number, each from an older checkpoint."),
});

const stage = z.strictObject({
  uses: name.describe("Stage kind: a folder of stages/."),
  needs: z
    .array(name)
    .default([])
    .describe("Stages whose outputs are the inputs of this one, bound by kind of artifact."),
  with: z.record(z.string(), z.json()).default({}).describe("Options of the stage kind; see its stage.yaml."),
  resources: resources.default({}).describe("What an attempt needs; the stage kind gives the default."),
  shards: z.int().min(1).default(1).describe("Parts that run independently of each other."),
  concurrency: z
    .int()
    .min(1)
    .optional()
    .describe("Shards that run at once at most; as many as there is room for when left out."),
  checkpoint: checkpoint
    .optional()
    .describe("How often a training stage saves, and how many checkpoints stay."),
  retry: retry.prefault({}).describe("How many times a shard is tried again, by class of cause."),
  timeout: z
    .string()
    .regex(durationPattern)
    .optional()
    .describe(
      "Longest time of the stage, from its first attempt on, all attempts and the waits between them included, such as `90m` or `14d`. A resume counts anew.",
    ),
  gate: z
    .union([gate, z.array(gate)])
    .optional()
    .describe("Measured conditions; one that does not hold ends the run with exit code 10."),
});

/** Schema of a pipeline file. */
export const pipelineSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this format."),
    name: fileName.describe("Name of the pipeline, shown in every view."),
    model: fileName
      .optional()
      .describe("Model architecture and, where it starts from one, its weights: a file of configs/models/."),
    cluster: fileName.default("this-machine").describe("Where it runs: a file of configs/clusters/."),
    seed: z.int().min(0).max(0xffff_ffff).default(42).describe("Seed of everything random."),
    stages: z.record(name, stage).describe("Stages by name; order comes from `needs`."),
  })
  .meta({ title: "legalone pipeline", description: "A training pipeline: one file, one durable run." });

/** What people type. */
export type WrittenPipeline = z.input<typeof pipelineSchema>;
/** The same with defaults filled in. */
export type ParsedPipeline = z.output<typeof pipelineSchema>;
export type ParsedStage = ParsedPipeline["stages"][string];
export type ParsedGate = z.output<typeof gate>;
