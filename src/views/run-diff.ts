import { type Difference, differences } from "../core/differences.ts";
import { fieldsOf } from "../core/recorded.ts";
import type { ComparedRun, ComparedStage } from "../records/reads/comparison.ts";
import { metricsOf } from "./key-numbers.ts";

/** What differs of one stage; empty lists where nothing does. */
export interface StageDiff {
  stage: string;
  /** Only one of the runs has it. */
  only: "left" | "right" | null;
  options: Difference[];
  code: Difference[];
  inputs: Difference[];
  consumed: Difference[];
  /** State, reason and metrics. */
  outcome: Difference[];
}

export interface RunDiff {
  left: string;
  right: string;
  /** Nothing of configuration, code, inputs, data and outcome differs. */
  same: boolean;
  /** Lines of the written file: those of one run only, in its order. */
  written: { left: string[]; right: string[] };
  /** Of the pipeline beside its stages: seed, model, cluster, and how it was asked for. */
  run: Difference[];
  stages: StageDiff[];
}

/** Compares two runs, part by part. Pure. */
export function diffRuns(left: ComparedRun, right: ComparedRun): RunDiff {
  const names = new Set([...left.stages, ...right.stages].map(({ row }) => row.name));
  const stages = [...names].map((name) => {
    const of = (run: ComparedRun) => run.stages.find(({ row }) => row.name === name);
    return diffStage(name, of(left), of(right));
  });
  const run = differences(aroundStages(left), aroundStages(right));
  const written = linesOf(left.detail.run.written, right.detail.run.written);
  const same =
    run.length + written.left.length + written.right.length === 0 &&
    stages.every((stage) => stage.only === null && partsOf(stage).every(({ found }) => found.length === 0));
  return { left: left.detail.run.id, right: right.detail.run.id, same, written, run, stages };
}

/** The parts of a stage's comparison with their names. */
export function partsOf(stage: StageDiff): { part: string; found: Difference[] }[] {
  return (["options", "code", "inputs", "consumed", "outcome"] as const).map((part) => ({
    part,
    found: stage[part],
  }));
}

function diffStage(stage: string, left?: ComparedStage, right?: ComparedStage): StageDiff {
  const nothing = { options: [], code: [], inputs: [], consumed: [], outcome: [] };
  if (!left || !right) return { stage, only: left ? "left" : "right", ...nothing };
  return {
    stage,
    only: null,
    options: differences(optionsOf(left), optionsOf(right)),
    code: differences({ codeHash: left.row.codeHash }, { codeHash: right.row.codeHash }),
    inputs: differences(left.inputs, right.inputs),
    consumed: differences(left.consumed, right.consumed),
    outcome: differences(outcomeOf(left), outcomeOf(right)),
  };
}

/** Everything resolved of a stage; its place and its hash follow from the rest. */
function optionsOf({ row }: ComparedStage): unknown {
  const { identity: _, position: __, ...spec } = fieldsOf(row.spec);
  return spec;
}

/** Whether it ran or was taken over is no difference of what came out. */
function outcomeOf({ row }: ComparedStage): unknown {
  const state = row.state === "SKIPPED" ? "SUCCEEDED" : row.state;
  return { state, reason: row.reason, ...metricsOf(row.result) };
}

function aroundStages({ detail: { run } }: ComparedRun): unknown {
  const { stages: _, file: __, ...config } = fieldsOf(run.config);
  return { ...config, from: run.from, until: run.until, forkedFrom: run.forkedFrom };
}

/** Lines that only one of the texts has, counted. */
function linesOf(left: string, right: string): RunDiff["written"] {
  const without = (text: string, other: string) => {
    const left = other.split("\n");
    return text.split("\n").filter((line) => {
      const i = left.indexOf(line);
      if (i >= 0) left.splice(i, 1);
      return i < 0;
    });
  };
  return { left: without(left, right), right: without(right, left) };
}
