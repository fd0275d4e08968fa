import { ExitCode } from "../../core/errors.ts";
import { resolveRunId } from "../../records/reads/runs.ts";
import { resumeRun } from "../../records/resume.ts";
import { jsonLines } from "../../views/status-json.ts";
import { ensureUp } from "./ensure-up.ts";
import { follow } from "./follow.ts";
import { note, print } from "./output.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

export interface ResumeOptions {
  json?: boolean;
  detach?: boolean;
  /** Stages to run again although they ended well. */
  stage?: string[];
  until?: string;
}

/**
 * Goes on with a run: starts the services where they stopped, gives every stage that failed or was cancelled another
 * generation, and follows. A run that still goes on is only followed.
 */
export async function resume(name: string | undefined, options: ResumeOptions): Promise<void> {
  await ensureUp(options);
  await withRecords(async (db) => {
    const id = await resolveRunId(db, name);
    const again = await resumeRun(db, id, {
      by: userName(),
      ...(options.stage === undefined ? {} : { stages: options.stage }),
      ...(options.until === undefined ? {} : { until: options.until }),
    });
    if (options.json) print(jsonLines([{ type: "resume", run: id, stages: again }]));
    else if (again.length === 0) note(`run ${id}: nothing failed or was cancelled, so nothing begins again`);
    else
      note(`run ${id}: ${again.join(", ")} again; each goes on from its last checkpoint, where it has one`);
    process.exitCode = options.detach ? ExitCode.ok : await follow(db, id, options);
  });
}
