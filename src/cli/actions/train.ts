import { loadPipeline, writtenText } from "../../config/load.ts";
import type { ResolvedPipeline } from "../../config/types.ts";
import { LegaloneError } from "../../core/errors.ts";
import { gatherExisting } from "../../plan/existing.ts";
import { planPipeline } from "../../plan/plan.ts";
import type { Plan } from "../../plan/types.ts";
import { isKeyKnown } from "../../records/runs.ts";
import { ensureUp } from "./ensure-up.ts";
import { newRun, type RunSettings } from "./new-run.ts";
import { note, noteOnTerminal } from "./output.ts";
import { withPlanRecords } from "./plan-records.ts";
import { withRecords } from "./records.ts";
import { submitAndFollow } from "./submit.ts";

export interface TrainOptions extends Omit<RunSettings, "fork"> {
  json?: boolean;
  set?: string[];
  detach?: boolean;
}

/**
 * Runs a pipeline file: resolves and plans it, submits it, follows it to its end and ends with its exit code.
 * A known idempotency key attaches to its run instead.
 * @throws E_CONFIG and E_PLAN_REFUSED before anything is started; E_CONFLICT for a key of another configuration
 */
export async function train(file: string, options: TrainOptions): Promise<void> {
  const { set = [], idempotencyKey } = options;
  const pipeline = loadPipeline(file, { set });
  // What --from takes as done stands in the records, which are to answer first.
  if (options.from !== undefined) await ensureUp(options);
  if (idempotencyKey === undefined || !(await isKnown(idempotencyKey))) {
    const plan = await planned(pipeline, options);
    refuseBlocked(plan);
    if (!options.json) for (const warning of plan.warnings) note(`warning ${warning}`);
    if (plan.resume && !options.json) note(besideResume(plan, plan.resume));
  }
  await ensureUp(options);
  await withRecords((db) =>
    submitAndFollow(db, newRun(pipeline, file, writtenText(file, set), options), options),
  );
}

/** A key that is known attaches: that its outputs are there now, or gone, decides nothing. */
async function isKnown(idempotencyKey: string): Promise<boolean> {
  const { result } = await withPlanRecords(
    async (_, database) => database !== null && (await isKeyKnown(database, idempotencyKey)),
  );
  return result;
}

async function planned(pipeline: ResolvedPipeline, { from, until }: TrainOptions): Promise<Plan> {
  const { result: existing } = await withPlanRecords((records) =>
    gatherExisting(pipeline, records, { scope: { from, until }, slow: noteOnTerminal }),
  );
  return planPipeline(pipeline, existing, { from, until });
}

/**
 * Nothing is started for a run that cannot end.
 * @throws E_PLAN_REFUSED with every stage that is blocked and why
 */
export function refuseBlocked(plan: Plan): void {
  const blocked = plan.stages.filter(({ action }) => action === "BLOCKED");
  if (blocked.length === 0) return;
  const lines = blocked.map(({ name, why, missing }) =>
    missing.length > 1
      ? `\n  ${name}:${missing.map((what) => `\n    ${what}`).join("")}`
      : `\n  ${name}: ${why}`,
  );
  throw new LegaloneError("E_PLAN_REFUSED", `The plan is blocked; nothing was started.${lines.join("")}`, {
    hint: `legalone plan ${plan.file}`,
    fields: { blocked: blocked.map(({ name, why }) => ({ stage: name, why })) },
  });
}

/** `plan` says RESUME where a run of the same configuration stopped; `train` is a new run and says so. */
function besideResume({ stages }: Plan, run: string): string {
  const where = stages.flatMap(({ name, action, step }) =>
    action === "RESUME" ? [`${name} at step ${step}`] : [],
  );
  return `run ${run} of this configuration stopped with checkpoints (${where.join(", ")}); this is a new run, which begins these stages anew\n  legalone resume ${run}   goes on there instead`;
}
