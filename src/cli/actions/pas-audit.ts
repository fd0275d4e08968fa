import type { ResolvedPipeline } from "../../config/types.ts";
import { ExitCode } from "../../core/errors.ts";
import { withRecordedPipeline } from "../../core/recorded.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { lookOf } from "../../views/look.ts";
import { pasAuditView } from "../../views/pas-audit.ts";
import { auditStage } from "../audit/audit-stage.ts";
import { orderedStage } from "../ordered-stage.ts";
import { stageOf } from "./logs.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

/**
 * Compares what a stage was planned to consume with what its checkpoints and results recorded. Ends with exit code 8
 * where they differ. Works on a run that goes on, has ended or has failed.
 */
export async function auditPas(
  run: string | undefined,
  options: { json?: boolean; stage?: string },
): Promise<void> {
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, run));
    const { id } = detail.run;
    const hint = (first: string) => `legalone pas audit ${id} --stage ${first}`;
    const words = { of: `run ${id}`, several: hint };
    const { pipeline, name } = withRecordedPipeline(detail.run, (pipeline: ResolvedPipeline) => ({
      ...{ pipeline, name: orderedStage(pipeline, options.stage, words).name },
    }));
    const audit = await auditStage(db, pipeline, stageOf(detail, name));
    print(options.json ? JSON.stringify(audit) : pasAuditView(audit, lookOf(process.stdout)));
    if (!audit.equal) process.exitCode = ExitCode.conflict;
  });
}
