import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../core/hash.ts";
import { packageRoot } from "../core/paths.ts";

export interface Migration {
  /** Its folder, which begins with a time: the order they are applied in. */
  name: string;
  sql: string;
  /** SHA-256 of the file, as `_prisma_migrations` keeps it. */
  checksum: string;
}

export const migrationsFolder = join(packageRoot, "prisma", "migrations");

/** The migrations of this version, in order. */
export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, "migration.sql"), "utf8");
      return { name, sql, checksum: sha256(sql) };
    }),
  );
}
