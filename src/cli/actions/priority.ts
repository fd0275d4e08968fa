import { setPriority } from "../../records/priority.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

/** Changes how soon a run gets what becomes free. */
export async function changePriority(
  name: string,
  priority: number,
  { json }: { json?: boolean },
): Promise<void> {
  await withRecords(async (db) => {
    const id = await resolveRunId(db, name);
    const before = await setPriority(db, id, priority, userName());
    if (json) {
      const detail = await readRun(db, id);
      print(jsonLines([{ type: "priority", run: id, priority, before }, verdictJson(detail)]));
    } else print(`run ${id}: priority ${before} -> ${priority}`);
  });
}
