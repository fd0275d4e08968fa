import type { Labels } from "../../core/labels.ts";
import { setLabels } from "../../records/labels.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { jsonLines, verdictJson } from "../../views/status-json.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

export interface LabelOptions {
  json?: boolean;
  /** False takes it away. */
  name?: string | false;
  note?: string | false;
  tag?: string[];
  untag?: string[];
}

/** Changes what a run is called, or shows it. */
export async function changeLabels(run: string, { json, name, note, ...tags }: LabelOptions): Promise<void> {
  await withRecords(async (db) => {
    const id = await resolveRunId(db, run);
    const change = {
      ...tags,
      ...(name === undefined ? {} : { name: name || null }),
      ...(note === undefined ? {} : { note: note || null }),
    };
    const { before, after } = await setLabels(db, id, change, userName());
    if (json) {
      const detail = await readRun(db, id);
      print(jsonLines([{ type: "label", run: id, ...after, before }, verdictJson(detail)]));
    } else print(`run ${id}: ${labelText(after)}`);
  });
}

function labelText({ name, tags, note }: Labels): string {
  const parts = [
    name === null ? "no name" : `name ${name}`,
    tags.length === 0 ? "no tags" : `tags ${tags.join(", ")}`,
  ];
  return `${parts.join("; ")}${note === null ? "" : `\n${note}`}`;
}
