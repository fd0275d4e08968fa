import type { ResolvedPipeline } from "../../config/types.ts";
import { ExitCode, LegaloneError } from "../../core/errors.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import type { StageRow } from "../../records/reads/stages.ts";
import { lookOf } from "../../views/look.ts";
import { pasAuditView } from "../../views/pas-audit.ts";
import { auditStage } from "../audit/audit-stage.ts";
import { stageOf } from "./logs.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

/**
 * Compares what a stage was planned to consume with what its checkpoints and results recorded. Ends with exit code 8
 * where they differ. Works on a run that goes on, has ended or has failed.
 */
export async function auditPas(
  name: string | undefined,
  options: { json?: boolean; stage?: string },
): Promise<void> {
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, name));
    const audit = await auditStage(
      db,
      detail.run.config as unknown as ResolvedPipeline,
      stageWithOrder(detail, options.stage),
    );
    print(options.json ? JSON.stringify(audit) : pasAuditView(audit, lookOf(process.stdout)));
    if (!audit.equal) process.exitCode = ExitCode.conflict;
  });
}

function stageWithOrder(detail: RunDetail, wanted: string | undefined): StageRow {
  const { id, config } = detail.run;
  const names = (config as unknown as ResolvedPipeline).stages
    .filter(({ prepare }) => prepare?.entry === "pas-order")
    .map((stage) => stage.name);
  const name = wanted ?? (names.length === 1 ? names[0]! : undefined);
  if (name !== undefined && names.includes(name)) return stageOf(detail, name);
  if (names.length === 0) {
    throw new LegaloneError("E_USAGE", `run ${id} has no stage with an order`, {
      hint: "the stage kind `midtrain` has one",
    });
  }
  throw new LegaloneError(
    "E_USAGE",
    name === undefined
      ? `run ${id} has several stages with an order: ${names.join(", ")}`
      : `${name} is no stage with an order; run ${id} has ${names.join(", ")}`,
    { hint: `legalone pas audit ${id} --stage ${names[0]}` },
  );
}
