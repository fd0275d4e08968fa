import { runOfStage } from "../core/ids.ts";
import { workspace } from "../core/paths.ts";
import { fileUri } from "../core/places.ts";
import type { QueuePlace } from "../records/reads/queue.ts";
import type { RunDetail } from "../records/reads/runs.ts";
import { metricsOf } from "./key-numbers.ts";
import { differingOptions } from "./run-options.ts";
import { type Live, nothingLive, stageLine } from "./stage-line.ts";
import { verdictSentence } from "./verdict.ts";

/** A line a run; the last line counts them. */
export function runListLines(runs: RunDetail[], queue: readonly QueuePlace[] = []): string {
  const differing = differingOptions(runs);
  const lines = runs.map((detail) => ({
    ...verdictJson(detail),
    type: "run",
    pipeline: detail.run.pipeline,
    file: detail.run.file,
    createdAt: detail.run.createdAt,
    queue: queue.filter(({ runId }) => runId === detail.run.id),
    differs: Object.fromEntries(
      [...differing.get(detail.run.id)!].map(([name, value]) => [name, value === undefined ? null : value]),
    ),
  }));
  return jsonLines([...lines, { type: "verdict", runs: runs.length }]);
}

/** A line a stage, a line a gate, and last the whole verdict. */
export function runStatusLines(
  detail: RunDetail,
  now: Date,
  live: Live = nothingLive,
  queue: readonly QueuePlace[] = [],
): string {
  const lines = detail.stages.flatMap((stage) => [
    {
      ...stageJson(detail, stage.name, now, live),
      queue: queue.find(({ stageId }) => stageId === stage.id) ?? null,
    },
    ...stage.gates.map(({ id: _, stageId: __, ...gate }) => ({
      type: "gate",
      run: detail.run.id,
      stage: stage.name,
      ...gate,
    })),
  ]);
  return jsonLines([...lines, verdictJson(detail)]);
}

function stageJson(detail: RunDetail, name: string, now: Date, live: Live): Record<string, unknown> {
  const stage = detail.stages.find((row) => row.name === name)!;
  const line = stageLine(stage, live, now);
  return {
    type: "stage",
    run: detail.run.id,
    stage: stage.name,
    kind: stage.kind,
    generation: stage.generation,
    fresh: stage.fresh,
    startFrom: stage.startFrom,
    state: stage.state,
    phase: line.word,
    doing: line.doing,
    reason: stage.reason,
    cause: stage.cause,
    message: stage.message,
    startedAt: stage.startedAt,
    endedAt: stage.endedAt,
    elapsedSeconds: line.elapsedMs === null ? null : line.elapsedMs / 1000,
    progress: line.progress,
    stepsPerSecond: line.pace?.stepsPerSecond ?? null,
    etaSeconds: line.pace === null ? null : line.pace.etaMs / 1000,
    metrics: metricsOf(stage.result),
    cachedRun: stage.cachedRun,
    cachedSeconds: stage.cachedMs === null ? null : stage.cachedMs / 1000,
    waitsFor: line.waitsFor === null ? null : { run: runOfStage(line.waitsFor), stage: line.waitsFor },
    attempts: stage.shards.map((shard) => ({
      shard: shard.index,
      state: shard.state,
      epoch: shard.epoch,
      attempt: shard.attempt?.id ?? null,
      node: shard.attempt?.nodeId ?? null,
    })),
    artifacts: stage.artifacts.map((artifact) => ({
      id: artifact.id,
      kind: artifact.kind,
      sha256: artifact.sha256,
      uri: fileUri(workspace(), artifact.uri),
      bytes: Number(artifact.bytes),
    })),
  };
}

/** The line that ends every stream about a run. */
export function verdictJson(detail: RunDetail): Record<string, unknown> {
  const { run, verdict, stages } = detail;
  const gates = stages.flatMap((stage) => stage.gates);
  return {
    type: "verdict",
    ...verdict,
    priority: run.priority,
    name: run.name,
    tags: run.tags,
    note: run.note,
    forkedFrom: run.forkedFrom,
    quarantine: detail.quarantine && {
      since: detail.quarantine.since,
      error: detail.quarantine.error,
      tries: detail.quarantine.tries,
      retryAt: detail.quarantine.retryAt,
    },
    stages: Object.fromEntries(stages.map((stage) => [stage.name, stage.state])),
    gates: {
      passed: gates.filter((gate) => gate.passed).length,
      failed: gates.filter((gate) => !gate.passed).length,
    },
    model: deliveredUri(detail),
    modelVerdict: verdictSentence(detail) || null,
  };
}

/** Where the delivered model folder is, or null where the run has delivered none. */
export function deliveredUri({ stages }: RunDetail): string | null {
  const artifacts = stages.flatMap((stage) => stage.artifacts);
  const delivered = artifacts.findLast((artifact) => artifact.kind === "delivery");
  return delivered === undefined ? null : fileUri(workspace(), delivered.uri);
}

/** JSON Lines; big integers become numbers, which they fit in. */
export function jsonLines(values: unknown[]): string {
  return values
    .map((value) =>
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner)),
    )
    .join("\n");
}
