import { LegaloneError } from "../../core/errors.ts";
import { artifactFolder } from "../../records/reads/artifact-files.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import { bytes } from "../../views/format.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { copyVerified, exportTarget } from "./copy-verified.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

export interface ExportOptions {
  to: string;
  force?: boolean;
  json?: boolean;
}

/** Copies the delivered model of a run into a folder, every file checked against the manifest. */
export async function exportModel(name: string | undefined, options: ExportOptions): Promise<void> {
  const to = exportTarget(options.to);
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, name));
    const artifact = deliveryOf(detail);
    const from = artifactFolder(artifact);
    if (from === null) {
      throw new LegaloneError(
        "E_NODE",
        `The model of run ${detail.run.id} is at ${artifact.uri}, which cannot be read from here.`,
      );
    }
    const copied = await copyVerified(from, to, { sha256: artifact.sha256, force: options.force ?? false });
    if (options.json)
      print(
        jsonLines([
          { type: "export", run: detail.run.id, path: to, ...copied, sha256: artifact.sha256 },
          verdictJson(detail),
        ]),
      );
    else print(`${to}  ${copied.files} files, ${bytes(copied.bytes)}, all hashes hold`);
  });
}

function deliveryOf(detail: RunDetail) {
  const found = detail.stages
    .flatMap((stage) => stage.artifacts)
    .findLast((artifact) => artifact.kind === "delivery");
  if (found !== undefined) return found;
  throw new LegaloneError(
    "E_NOT_FOUND",
    `Run ${detail.run.id} has delivered no model${detail.verdict.ended ? "" : " yet"}.`,
    {
      hint: detail.verdict.ended ? `legalone status ${detail.run.id}` : `legalone watch ${detail.run.id}`,
    },
  );
}
