import { LegaloneError } from "../../core/errors.ts";
import type { Database } from "../../records/database.ts";
import { lineageOf, newestOutput } from "../../records/reads/lineage.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import { lineageJson, lineageTree } from "../../views/lineage.ts";
import { lookOf } from "../../views/look.ts";
import { jsonLines } from "../../views/status-json.ts";
import { stageOf } from "./logs.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

/** What the delivered model of a run, or the output of one of its stages, was made from. */
export async function lineage(
  name: string | undefined,
  options: { json?: boolean; stage?: string },
): Promise<void> {
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, name));
    const root = await lineageOf(db, await rootArtifact(db, detail, options.stage));
    if (root === null) throw new LegaloneError("E_NOT_FOUND", "The artifact is no longer recorded.");
    print(options.json ? jsonLines([lineageJson(root)]) : lineageTree(root, lookOf(process.stdout)));
  });
}

/** The delivery that was committed last, or else the last output of the last stage that has any. */
async function rootArtifact(db: Database, detail: RunDetail, stage: string | undefined): Promise<string> {
  const stages = stage === undefined ? detail.stages : [stageOf(detail, stage)];
  const delivery = stages.flatMap((row) => row.artifacts).findLast(({ kind }) => kind === "delivery");
  if (delivery) return delivery.id;
  const last = stages.findLast((row) => row.artifacts.length > 0);
  const found = last && (await newestOutput(db, last.artifacts[0]!.stageId));
  if (found) return found.id;
  throw new LegaloneError(
    "E_NOT_FOUND",
    `${stage === undefined ? `Run ${detail.run.id}` : `Stage ${stage}`} has committed no artifact yet.`,
    {
      hint: `legalone status ${detail.run.id}`,
    },
  );
}
