import { LegaloneError } from "../../core/errors.ts";
import { type Database, databaseError, openDatabase } from "../../records/database.ts";
import { databaseSpec } from "../../services/addresses.ts";

/**
 * Does `work` with the records of this workspace and closes them. Starts nothing.
 * @throws E_DATABASE when PostgreSQL does not answer or holds no records yet
 */
export async function withRecords<Result>(work: (db: Database) => Promise<Result>): Promise<Result> {
  const spec = databaseSpec();
  const db = openDatabase(spec);
  try {
    return await work(db);
  } catch (error) {
    if (error instanceof LegaloneError) throw error;
    if (hasNoTables(error)) {
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

/** Prisma's code for a table that does not exist: serve, which migrates, has never run here. */
function hasNoTables(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "P2021";
}
