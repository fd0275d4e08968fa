import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { bytes } from "../../views/format.ts";
import { gatherReport } from "../../views/report/gather.ts";
import { report as renderReport } from "../../views/report/report.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { print, printPart } from "./output.ts";
import { withRecords } from "./records.ts";

/** Writes the report of a run as one HTML file; `-` writes it to standard output. */
export async function report(
  name: string | undefined,
  options: { json?: boolean; out?: string },
): Promise<void> {
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, name), { all: true });
    const page = renderReport(await gatherReport(db, detail, new Date()));
    if (options.out === "-") {
      printPart(page);
      return;
    }
    const path = resolve(options.out ?? `legalone-report-${detail.run.id}.html`);
    await writeFile(path, page);
    if (options.json)
      print(jsonLines([{ type: "report", path, bytes: Buffer.byteLength(page) }, verdictJson(detail)]));
    else print(`${path}  ${bytes(Buffer.byteLength(page))}`);
  });
}
