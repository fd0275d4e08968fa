import { type Database, openDatabase } from "../../src/records/database.ts";
import { migrate } from "../../src/records/migrate.ts";
import { startServers } from "./servers.ts";

export interface TestRecords {
  db: Database;
  close(): Promise<void>;
}

/** Empty records in a real PostgreSQL of this test file's own. */
export async function openRecords(): Promise<TestRecords> {
  const servers = await startServers();
  await migrate(servers.database);
  const db = openDatabase(servers.database);
  return {
    db,
    async close() {
      await db.$disconnect();
      await servers.stop();
    },
  };
}
