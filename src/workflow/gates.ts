import type { ResolvedGate } from "../config/types.ts";
import { recordedResult } from "../core/recorded.ts";
import type { GateRow, StageRow } from "../core/rows.ts";
import { isStageEnded } from "./states.ts";
import { specOf } from "./types.ts";
import type { World } from "./world.ts";

/** Measures the gates of a stage that has outputs, once the stages they are compared with have ended. */
export function measureGates(world: World, stage: StageRow): void {
  const { gates } = specOf(stage);
  if (gates.length === 0 || gatesMeasured(world, stage)) return;
  const waits = gates.some(({ against }) => {
    const other = typeof against === "number" ? undefined : world.currentStage(stage.runId, against.stage);
    return other !== undefined && !isStageEnded(other);
  });
  if (waits) return;
  const rows = gates.map((gate, i) => measure(world, stage, gate, i));
  world.record({
    runId: stage.runId,
    stageId: stage.id,
    type: rows.every((row) => row.passed) ? "gate.passed" : "gate.failed",
    data: { stage: stage.name },
    changes: rows.map((insert) => ({ table: "Gate", insert })),
  });
}

/** A value that is missing (or no number) holds no gate. */
function measure(world: World, stage: StageRow, gate: ResolvedGate, i: number): GateRow {
  const { metric, comparison, against } = gate;
  const value = metricOf(stage, metric);
  const threshold = thresholdOf(world, stage, against);
  return {
    id: `${stage.id}-gate${i}`,
    stageId: stage.id,
    metric,
    comparison,
    against: againstText(against),
    value,
    threshold,
    passed: value !== null && threshold !== null && holds(value, comparison, threshold),
    measuredAt: world.now,
  };
}

function thresholdOf(world: World, stage: StageRow, against: ResolvedGate["against"]): number | null {
  if (typeof against === "number") return against;
  const measured = metricOf(world.currentStage(stage.runId, against.stage), against.metric);
  return measured === null ? null : measured * (against.times ?? 1);
}

/** As a pipeline file has it: `0.5`, `midtrain.legal_ppl`, `2 * midtrain.legal_ppl`. */
function againstText(against: ResolvedGate["against"]): string {
  if (typeof against === "number") return String(against);
  const metric = `${against.stage}.${against.metric}`;
  return against.times === undefined ? metric : `${against.times} * ${metric}`;
}

function metricOf(stage: StageRow | undefined, name: string): number | null {
  const value = recordedResult(stage?.result)?.metrics[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** Whether a value keeps to a threshold. */
export function holds(value: number, comparison: ResolvedGate["comparison"], threshold: number): boolean {
  switch (comparison) {
    case "below":
      return value < threshold;
    case "above":
      return value > threshold;
    case "at_least":
      return value >= threshold;
    case "at_most":
      return value <= threshold;
    default:
      return comparison satisfies never;
  }
}

export function gatesMeasured(world: World, stage: StageRow): boolean {
  return world.gatesOf(stage.id).length >= specOf(stage).gates.length;
}

export function failedGate(world: World, stage: StageRow): GateRow | undefined {
  return world.gatesOf(stage.id).find((gate) => !gate.passed);
}
