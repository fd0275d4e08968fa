import type { Happening } from "../core/changes.ts";
import type { Database } from "./database.ts";
import { writeHappenings } from "./happenings.ts";

/** A run about which nothing can be decided now. */
export interface Quarantined {
  run: string;
  since: Date;
  error: string;
  /** How often it has failed since. */
  tries: number;
  retryAt: Date;
}

/** All runs in quarantine, longest first. */
export async function readQuarantine(database: Database): Promise<Quarantined[]> {
  const rows = await database.quarantine.findMany({ orderBy: [{ since: "asc" }, { id: "asc" }] });
  return rows.map(({ id: run, ...row }) => ({ run, ...row }));
}

/** Notes how they stand, with what is to be told in the log. @throws LostOffice */
export async function noteQuarantine(
  database: Database,
  runs: readonly Quarantined[],
  happenings: readonly Happening[],
  term: number,
): Promise<void> {
  const quiet = runs.flatMap(({ run: id, ...row }) => [
    { table: "Quarantine" as const, id, remove: true as const },
    { table: "Quarantine" as const, insert: { id, ...row } },
  ]);
  await writeHappenings(database, happenings, { quiet, term });
}

/** Ends it. @throws LostOffice */
export async function endQuarantine(
  database: Database,
  run: string,
  happenings: readonly Happening[],
  term: number,
): Promise<void> {
  await writeHappenings(database, happenings, {
    quiet: [{ table: "Quarantine", id: run, remove: true }],
    term,
  });
}
