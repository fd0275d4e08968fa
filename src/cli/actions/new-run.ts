import { configHash } from "../../config/config-hash.ts";
import type { ResolvedPipeline } from "../../config/types.ts";
import { stagesFrom } from "../../core/scope.ts";
import { codeHash } from "../../plan/code-hash.ts";
import { standInVariables } from "../../plan/variables.ts";
import type { NewRun } from "../../records/runs.ts";
import { userName } from "./user-name.ts";

export interface RunSettings {
  idempotencyKey?: string;
  until?: string;
  from?: string;
  priority?: number;
  /** Of a fork: the old run, and the checkpoint that one stage begins with. */
  fork?: { run: string; stage: string; checkpoint: string };
}

/**
 * The rows of a run. The whole resolved pipeline is kept: later decisions never read the file again.
 * @param file as it was named on the command line
 * @param written its text, with `--set` laid over it
 */
export function newRun(
  pipeline: ResolvedPipeline,
  file: string,
  written: string,
  { idempotencyKey, until, from, priority, fork }: RunSettings,
): NewRun {
  const fresh = stagesFrom(pipeline.stages, from);
  return {
    pipeline: pipeline.name,
    file,
    config: pipeline,
    written,
    configHash: configHash(pipeline),
    createdBy: userName(),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(until === undefined ? {} : { until }),
    ...(from === undefined ? {} : { from }),
    ...(priority === undefined ? {} : { priority }),
    ...(fork === undefined ? {} : { forkedFrom: fork.run }),
    stages: pipeline.stages.map((stage) => ({
      name: stage.name,
      kind: stage.kind,
      position: stage.position,
      shards: stage.shards,
      codeHash: codeHash(stage),
      needs: stage.needs,
      spec: { ...stage, standIns: standInVariables(stage.with) },
      fresh: fresh.has(stage.name),
      startFrom: fork?.stage === stage.name ? fork.checkpoint : null,
    })),
  };
}
