import { ExitCode } from "../../core/errors.ts";
import type { Database } from "../../records/database.ts";
import { type NewRun, submitRun } from "../../records/runs.ts";
import { jsonLines } from "../../views/status-json.ts";
import { follow } from "./follow.ts";
import { note, print } from "./output.ts";

export interface SubmitOptions {
  json?: boolean;
  detach?: boolean;
}

/** Submits a run, or attaches to the one of its key, and follows it to its end unless it is to be left. */
export async function submitAndFollow(db: Database, wanted: NewRun, options: SubmitOptions): Promise<void> {
  const { run, attached } = await submitRun(db, wanted);
  const { pipeline, forkedFrom } = wanted;
  if (options.json) print(jsonLines([{ type: "run", run, attached, pipeline, forkedFrom }]));
  else if (attached) note(`run ${run} has this idempotency key: attached`);
  if (options.detach) {
    process.exitCode = ExitCode.ok;
    if (!options.json) print(`${run}\n  legalone watch ${run}`);
  } else process.exitCode = await follow(db, run, options);
}
