import { readFileSync } from "node:fs";
import { loadPipeline } from "../../config/load.ts";
import type { ResolvedPipeline } from "../../config/types.ts";
import { ExitCode, LegaloneError } from "../../core/errors.ts";
import { canonicalJson, sha256 } from "../../core/hash.ts";
import { codeHash } from "../../plan/code-hash.ts";
import { gatherExisting } from "../../plan/existing.ts";
import { planPipeline } from "../../plan/plan.ts";
import { type NewRun, stagesUpTo, submitRun } from "../../records/runs.ts";
import { jsonLines } from "../../views/status-json.ts";
import { ensureUp } from "./ensure-up.ts";
import { follow } from "./follow.ts";
import { note, print } from "./output.ts";
import { withPlanRecords } from "./plan-records.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

export interface TrainOptions {
  json?: boolean;
  set?: string[];
  detach?: boolean;
  idempotencyKey?: string;
  until?: string;
}

/**
 * Runs a pipeline file: resolves and plans it, submits it, follows it to its end and ends with its exit code.
 * A known idempotency key attaches to its run instead.
 * @throws E_CONFIG and E_PLAN_REFUSED before anything is started; E_CONFLICT for a key of another configuration
 */
export async function train(file: string, options: TrainOptions): Promise<void> {
  const pipeline = loadPipeline(file, { set: options.set ?? [] });
  await refuseBlocked(pipeline, options.until);
  await ensureUp(options);
  await withRecords(async (db) => {
    const { run, attached } = await submitRun(db, newRun(pipeline, file, options));
    if (options.json) print(jsonLines([{ type: "run", run, attached, pipeline: pipeline.name }]));
    else if (attached) note(`run ${run} has this idempotency key: attached`);
    if (options.detach) {
      process.exitCode = ExitCode.ok;
      if (!options.json) print(`${run}\n  legalone watch ${run}`);
    } else process.exitCode = await follow(db, run, options);
  });
}

/** Nothing is started for a run that cannot end; what `--until` leaves out may be blocked. */
async function refuseBlocked(pipeline: ResolvedPipeline, until: string | undefined): Promise<void> {
  const { result: existing } = await withPlanRecords((records) => gatherExisting(pipeline, records));
  const plan = planPipeline(pipeline, existing);
  const wanted = stagesUpTo(pipeline.stages, until);
  const blocked = plan.stages.filter(({ action, name }) => action === "BLOCKED" && wanted.has(name));
  if (blocked.length === 0) return;
  const lines = blocked.map((stage) => `\n  ${stage.name}: ${stage.why}`);
  throw new LegaloneError("E_PLAN_REFUSED", `The plan is blocked; nothing was started.${lines.join("")}`, {
    hint: `legalone plan ${pipeline.file}`,
    fields: { blocked: blocked.map(({ name, why }) => ({ stage: name, why })) },
  });
}

/** The rows of a run. The whole resolved pipeline is kept: later decisions never read the file again. */
export function newRun(pipeline: ResolvedPipeline, file: string, options: TrainOptions): NewRun {
  return {
    pipeline: pipeline.name,
    file,
    config: pipeline,
    written: readFileSync(pipeline.file, "utf8"),
    // Where the file lies changes nothing about the run.
    configHash: sha256(canonicalJson({ ...pipeline, file: null })),
    createdBy: userName(),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
    ...(options.until === undefined ? {} : { until: options.until }),
    stages: pipeline.stages.map((stage) => ({
      name: stage.name,
      kind: stage.kind,
      position: stage.position,
      shards: stage.shards,
      codeHash: codeHash(stage),
      needs: stage.needs,
      spec: stage,
    })),
  };
}
