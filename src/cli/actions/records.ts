import { LegaloneError } from "../../core/errors.ts";
import { type Database, databaseError, openDatabase, sqlState } from "../../records/database.ts";
import { hasRecords } from "../../records/migrate.ts";
import { databaseSpec } from "../../services/addresses.ts";

/**
 * Does `work` with the records of this workspace and closes them. Starts nothing.
 * @throws E_DATABASE when PostgreSQL does not answer or holds no records yet; E_MIGRATION for records of another version
 */
export async function withRecords<Result>(work: (db: Database) => Promise<Result>): Promise<Result> {
  const spec = databaseSpec();
  const db = openDatabase(spec);
  try {
    return await work(db);
  } catch (error) {
    if (error instanceof LegaloneError) throw error;
    if (lacksTables(error) && !(await hasRecords(spec))) {
      throw new LegaloneError(
        "E_DATABASE",
        `The database ${spec.database} holds no records of legalone yet.`,
        {
          hint: "legalone up makes them",
          cause: error,
        },
      );
    }
    const known = databaseError(error, spec);
    if (
      known instanceof LegaloneError &&
      known.code === "E_DATABASE" &&
      process.env.LEGALONE_DATABASE_URL === undefined
    ) {
      throw new LegaloneError(
        "E_DATABASE",
        "The services of this workspace do not run: PostgreSQL does not answer.",
        {
          hint: "legalone up starts them; what runs is not touched",
          cause: error,
        },
      );
    }
    throw known;
  } finally {
    await db.$disconnect();
  }
}

/** A table, column or type that does not exist: serve, which migrates, has never run here, or another version of it. */
function lacksTables(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "P2021" || code === "P2022" || /^42(?:P01|703|704)$/.test(sqlState(error).code ?? "");
}
