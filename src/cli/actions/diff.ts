import { readForComparison } from "../../records/reads/comparison.ts";
import { resolveRunId } from "../../records/reads/runs.ts";
import { diffView } from "../../views/diff.ts";
import { lookOf } from "../../views/look.ts";
import { diffRuns } from "../../views/run-diff.ts";
import { jsonLines } from "../../views/status-json.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

/** Compares two runs. Ends with 0 whether they differ or not. */
export async function diff(one: string, other: string, { json }: { json?: boolean }): Promise<void> {
  await withRecords(async (db) => {
    const left = await readForComparison(db, await resolveRunId(db, one));
    const right = await readForComparison(db, await resolveRunId(db, other));
    const found = diffRuns(left, right);
    print(
      json ? jsonLines([{ type: "diff", ...found }]) : diffView(found, left, right, lookOf(process.stdout)),
    );
  });
}
