import { resolve } from "node:path";
import { z } from "zod";
import { isObject } from "./annotations.ts";
import { scheduleProblems } from "./cross-checks.ts";
import { throwProblems } from "./form/problem.ts";
import { problemAt, readYaml } from "./form/yaml-source.ts";
import { parseWith } from "./form/zod-problems.ts";

const count = z.int().min(0);

/** A bare PAS spec: an order without a pipeline. Band names are free; `low` is the anchored one. */
export const pasSpecSchema = z.strictObject({
  steps: z.int().min(1).max(10_000_000).describe("Steps of the schedule."),
  batch: z.int().min(1).max(1_000_000).describe("Sequences of a step."),
  lambda: z.number().min(0).default(5).describe("Strength of the anchor."),
  schedule: z.strictObject({
    warmup: count.describe("Steps up to the highest rate."),
    decay: count.describe("Steps down to the lowest rate."),
    max: z.number().positive().describe("Highest learning rate."),
    min: z.number().min(0).describe("Learning rate of the last step."),
    shape: z.enum(["linear", "cosine", "sqrt"]).default("linear").describe("Form of the decay."),
  }),
  cells: z
    .array(
      z.strictObject({
        group: z.string().min(1),
        band: z.string().min(1),
        weight: z.number().min(0).describe("Target weight; only ratios count."),
        sequences: count.describe("Sequences that the cell holds."),
      }),
    )
    .min(1),
  seed: z.int().min(0).max(0xffff_ffff).default(42),
  hold: z.enum(["none", "group"]).default("none").describe("`group` keeps the share of every group."),
});
export type PasSpec = z.output<typeof pasSpecSchema>;

/** Whether the YAML file is a bare spec: it has `cells` at its top level. */
export function isPasSpec(file: string): boolean {
  const { value } = readYaml(resolve(file));
  return isObject(value) && "cells" in value;
}

/** Reads a bare spec. Throws E_CONFIG with every error and its place. */
export function readPasSpec(file: string): PasSpec {
  const source = readYaml(resolve(file));
  if (source.problems.length > 0) throwProblems(source.file, source.problems);
  const { value, problems } = parseWith(pasSpecSchema, source);
  throwProblems(source.file, problems);
  const spec = value!;
  const wrong = spec.cells.flatMap(({ weight, sequences }, i) =>
    weight > 0 && sequences === 0
      ? [
          problemAt(source, ["cells", i, "sequences"], "a cell with a weight has no sequences", {
            expected: "at least 1",
          }),
        ]
      : [],
  );
  if (spec.cells.every(({ weight }) => weight === 0))
    wrong.push(problemAt(source, ["cells"], "no cell has a weight", { expected: "a weight above 0" }));
  wrong.push(...scheduleProblems(spec.schedule, spec.steps, source, ["schedule"]));
  throwProblems(source.file, wrong);
  return spec;
}
