import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { missingFrom } from "../artifacts.ts";
import type { Database } from "../database.ts";
import type { Artifact } from "../generated/client.ts";

/**
 * Checkpoints that a run has of a stage, oldest step first: those of all its generations, and of the stage whose outputs it
 * took where it was SKIPPED. Of several at one step the one committed last.
 */
export async function checkpointsOf(database: Database, run: string, stage: string): Promise<Artifact[]> {
  const rows = await database.stage.findMany({ where: { runId: run, name: stage } });
  const rowsWithSources = rows.flatMap(({ id, cachedFrom }) => [id, ...(cachedFrom ? [cachedFrom] : [])]);
  const all = await database.artifact.findMany({
    where: { stageId: { in: rowsWithSources }, kind: "checkpoint", goneAt: null },
    orderBy: [{ step: "asc" }, { committedAt: "asc" }],
  });
  const missing = new Set(missingFrom(all, workspace()).map(({ id }) => id));
  const there = all.filter(({ id }) => !missing.has(id));
  return there.filter(({ step }, i) => there[i + 1]?.step !== step);
}

/**
 * The newest checkpoint at or before `step`, or the newest of all.
 * @throws LegaloneError E_NOT_FOUND with the steps there are
 */
export function checkpointAt(
  checkpoints: readonly Artifact[],
  { run, stage, step }: { run: string; stage: string; step: number | undefined },
): Artifact {
  const found = checkpoints.findLast((one) => step === undefined || (one.step ?? 0) <= step);
  if (found) return found;
  const steps = checkpoints.map((one) => one.step ?? 0);
  if (steps.length === 0) {
    throw new LegaloneError("E_NOT_FOUND", `run ${run} has no checkpoint of ${stage} to begin from`, {
      hint: `legalone train FILE --from ${stage} begins it anew`,
      fields: { run, stage, steps },
    });
  }
  throw new LegaloneError(
    "E_NOT_FOUND",
    `run ${run} has no checkpoint of ${stage} at or before step ${step}; there are steps ${steps.join(", ")}`,
    { hint: `legalone fork ${run} --stage ${stage} --step ${steps[0]}`, fields: { run, stage, steps } },
  );
}
