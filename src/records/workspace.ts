import type pg from "pg";
import type { ConnectionSpec } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { type Database, withClient } from "./database.ts";

/** What a folder says of itself. */
export interface WorkspaceClaim {
  /** Its name. */
  id: string;
  home: string;
  /** Its name in an embedded database that came with a copy. */
  formerly?: string | undefined;
}

/**
 * Makes sure that records and folder belong together, and writes the name where records have none yet.
 * @throws E_WORKSPACE when the records are another workspace's
 */
export async function claimRecords(spec: ConnectionSpec, claim: WorkspaceClaim): Promise<void> {
  const named = await withClient(spec, async (client) => {
    await client.query(`insert into "Workspace" (id, name) values (1, $1) on conflict do nothing`, [
      claim.id,
    ]);
    if (claim.formerly !== undefined)
      await client.query(`update "Workspace" set name = $1 where name = $2`, [claim.id, claim.formerly]);
    return nameIn(client);
  });
  if (named !== undefined && named !== claim.id) throw belongsElsewhere(named, claim);
}

/** The workspace that records belong to; undefined before the first serve of this version. */
export async function recordsName(spec: ConnectionSpec): Promise<string | undefined> {
  return withClient(spec, nameIn);
}

/** @throws E_WORKSPACE unless the records are of this folder, or have no name yet */
export async function requireSameWorkspace(db: Database, claim: WorkspaceClaim): Promise<void> {
  const row = await db.workspace.findUnique({ where: { id: 1 } });
  if (row !== null && row.name !== claim.id && row.name !== claim.formerly)
    throw belongsElsewhere(row.name, claim);
}

/** The refusal of records that belong to another folder. */
export function belongsElsewhere(named: string, { id, home }: WorkspaceClaim): LegaloneError {
  return new LegaloneError(
    "E_WORKSPACE",
    `the database belongs to the workspace ${named}, and ${home} is the workspace ${id || "without a name"}`,
    {
      hint: "LEGALONE_HOME names the folder of that workspace, LEGALONE_DATABASE_URL the database of this one. Where that folder is gone for good, `legalone adopt --moved` puts this one in its place.",
      fields: { database: named, workspace: id },
    },
  );
}

async function nameIn(client: pg.Client): Promise<string | undefined> {
  const found = await client.query(`select to_regclass('"Workspace"') is not null as found`);
  if (!found.rows[0].found) return undefined;
  const { rows } = await client.query<{ name: string }>(`select name from "Workspace" where id = 1`);
  return rows[0]?.name;
}
