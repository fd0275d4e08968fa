import { LegaloneError } from "../../core/errors.ts";
import type { Database } from "../../records/database.ts";
import { lineageOf, lineageRoot } from "../../records/reads/lineage.ts";
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

async function rootArtifact(db: Database, detail: RunDetail, stage: string | undefined): Promise<string> {
  const found = await lineageRoot(db, stage === undefined ? detail.stages : [stageOf(detail, stage)]);
  if (found !== null) return found;
  throw new LegaloneError(
    "E_NOT_FOUND",
    `${stage === undefined ? `Run ${detail.run.id}` : `Stage ${stage}`} has committed no artifact yet.`,
    {
      hint: `legalone status ${detail.run.id}`,
    },
  );
}
