import { cancelRun } from "../../records/cancel.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { words } from "../../views/format.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

/** Asks a run to stop: its workers save a checkpoint and leave. A run that has ended stays as it is. */
export async function cancel(name: string | undefined, options: { json?: boolean }): Promise<void> {
  await withRecords(async (db) => {
    const id = await resolveRunId(db, name);
    const stages = await cancelRun(db, id, userName());
    const detail = await readRun(db, id);
    if (options.json) print(jsonLines([{ type: "cancel", run: id, stages }, verdictJson(detail)]));
    else if (stages.length === 0) print(`run ${id}: nothing to stop, it is ${words(detail.verdict.state)}`);
    else {
      print(`run ${id}: asked ${stages.join(", ")} to stop; workers save a checkpoint first`);
      print(`  legalone resume ${id}   go on from there`);
    }
  });
}
