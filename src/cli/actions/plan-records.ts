import { LegaloneError } from "../../core/errors.ts";
import type { PlanRecords } from "../../plan/existing.ts";
import type { Database } from "../../records/database.ts";
import { findCachedStage, findCheckpoints, findEarlierStage } from "../../records/reads/planning.ts";
import { withRecords } from "./records.ts";

/** Does `work` with the records, or with null where they cannot be read: planning needs no services. */
export async function withPlanRecords<Result>(
  work: (records: PlanRecords | null, database: Database | null) => Promise<Result>,
): Promise<{ result: Result; reached: boolean }> {
  try {
    const result = await withRecords((database) => work(planRecords(database), database));
    return { result, reached: true };
  } catch (error) {
    if (!(error instanceof LegaloneError) || error.code !== "E_DATABASE") throw error;
    return { result: await work(null, null), reached: false };
  }
}

/** The records as planning asks them. */
export function planRecords(database: Database): PlanRecords {
  return {
    cachedStage: (key) => findCachedStage(database, key),
    checkpoints: (configHash) => findCheckpoints(database, configHash),
    earlierStage: (pipeline, stage) => findEarlierStage(database, pipeline, stage),
  };
}
