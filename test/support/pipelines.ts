import type { ResolvedGate, ResolvedInput, ResolvedPipeline, ResolvedStage } from "../../src/config/types.ts";
import type { NewRun } from "../../src/records/runs.ts";

export interface StageSketch {
  name: string;
  needs?: string[];
  outputs?: string[];
  shards?: number;
  concurrency?: number;
  merge?: NonNullable<ResolvedStage["merge"]>;
  npus?: number;
  gates?: ResolvedGate[];
  retry?: Partial<ResolvedStage["retry"]>;
  timeoutSeconds?: number;
  with?: ResolvedStage["with"];
  codeHash?: string;
  standIns?: string[];
  /** The stage whose work it does too: the same options and code, so with the same inputs the same cache key. */
  as?: string;
}

/** A resolved stage that takes every output of what it needs. */
export function stageOf(sketch: StageSketch, all: readonly StageSketch[], position: number): ResolvedStage {
  const inputs = (sketch.needs ?? []).flatMap((stage): ResolvedInput[] => {
    const other = all.find(({ name }) => name === stage);
    return (other?.outputs ?? ["model"]).map((kind) => ({ kind, stage }));
  });
  const stage = {
    name: sketch.name,
    kind: "base",
    version: 1,
    position,
    needs: sketch.needs ?? [],
    inputs,
    outputs: sketch.outputs ?? ["model"],
    metrics: ["loss"],
    prepare: null,
    with: sketch.with ?? {},
    identity: { ...sketch.with, name: sketch.as ?? sketch.name },
    resources: { nodes: 1, npus: sketch.npus ?? 0 },
    shards: sketch.shards ?? 1,
    concurrency: sketch.concurrency ?? null,
    ...(sketch.merge ? { merge: sketch.merge } : {}),
    ...(sketch.standIns ? { standIns: sketch.standIns } : {}),
    checkpoint: null,
    retry: { infra: 10, user: 0, numeric: 2, ...sketch.retry },
    timeoutSeconds: sketch.timeoutSeconds ?? null,
    gates: sketch.gates ?? [],
  };
  return stage as unknown as ResolvedStage;
}

/** A run of these stages, as `train` submits it. */
export function runOf(sketches: StageSketch[], more: Partial<NewRun> = {}): NewRun {
  const stages = sketches.map((sketch, i) => stageOf(sketch, sketches, i));
  const cluster = { name: "here", engine: "process", nodes: 1, npusPerNode: 0, image: null, env: {} };
  const config = { version: 1, name: "test", file: "/test.yaml", seed: 7, model: null, cluster, stages };
  return {
    pipeline: "test",
    file: "test.yaml",
    config: config as unknown as ResolvedPipeline,
    written: "version: 1\n",
    configHash: "c0ffee",
    createdBy: "test",
    stages: stages.map((spec, i) => ({
      name: spec.name,
      kind: spec.kind,
      position: i,
      shards: spec.shards,
      codeHash: sketches[i]?.codeHash ?? "code",
      needs: spec.needs,
      spec,
    })),
    ...more,
  };
}
