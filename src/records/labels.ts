import { LegaloneError } from "../core/errors.ts";
import { type Labels, mostTags, uniqueTags } from "../core/labels.ts";
import { type Database, databaseError } from "./database.ts";
import { writeHappenings } from "./happenings.ts";

/** What is left out stays; null takes it away. */
export interface LabelChange {
  name?: string | null;
  note?: string | null;
  tag?: readonly string[];
  untag?: readonly string[];
}

/**
 * Changes what a run is called. The log tells it; as a run's priority it is no part of what the log is replayed to.
 * @returns what it was before, and what it is now
 * @throws LegaloneError E_NOT_FOUND; E_USAGE for too many tags, and for one to take away that is not there; E_DATABASE
 */
export async function setLabels(
  database: Database,
  run: string,
  change: LabelChange,
  by: string,
): Promise<{ before: Labels; after: Labels }> {
  try {
    return await database.$transaction(async (writer) => {
      const [before] = await writer.$queryRaw<Labels[]>`
        select name, tags, note from "Run" where id = ${run} for update`;
      if (!before) throw new LegaloneError("E_NOT_FOUND", `no run ${run}`, { hint: "legalone status" });
      const after = changed(run, before, change);
      if (JSON.stringify(after) === JSON.stringify(before)) return { before, after };
      await writer.run.update({ where: { id: run }, data: after });
      const data = { ...after, before, by };
      await writeHappenings(writer, [{ runId: run, type: "run.labelled", data, changes: [] }]);
      return { before, after };
    });
  } catch (error) {
    throw databaseError(error);
  }
}

function changed(run: string, before: Labels, { name, note, tag = [], untag = [] }: LabelChange): Labels {
  const absent = untag.filter((one) => !before.tags.includes(one));
  if (absent.length > 0)
    throw new LegaloneError("E_USAGE", `run ${run} has no tag ${absent.join(", ")}`, {
      hint: before.tags.length === 0 ? "it has none" : `it has ${before.tags.join(", ")}`,
    });
  const tags = uniqueTags(
    before.tags.filter((one) => !untag.includes(one)),
    tag,
  );
  refuseTooMany(tags);
  return {
    name: name === undefined ? before.name : name,
    tags,
    note: note === undefined ? before.note : note,
  };
}

/** @throws E_USAGE */
export function refuseTooMany(tags: readonly string[]): void {
  if (tags.length <= mostTags) return;
  throw new LegaloneError("E_USAGE", `${tags.length} tags, expected at most ${mostTags} of a run`, {
    hint: "a note holds what is longer: --note",
  });
}
