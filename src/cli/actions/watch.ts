import { resolveRunId } from "../../records/reads/runs.ts";
import { ensureUp } from "./ensure-up.ts";
import { follow } from "./follow.ts";
import { withRecords } from "./records.ts";

/** Follows a run to its end; the process ends as the run did. */
export async function watch(name: string | undefined, options: { json?: boolean }): Promise<void> {
  await ensureUp(options);
  await withRecords(async (db) => {
    process.exitCode = await follow(db, await resolveRunId(db, name), options);
  });
}
