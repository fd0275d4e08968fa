import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { locate, readWorkspaceNote, writeWorkspaceNote } from "../../core/workspace-note.ts";
import { recordsName } from "../../records/workspace.ts";
import { databaseSpec } from "../../services/addresses.ts";
import { homeError, lookAtHome, runningIn } from "../../services/home.ts";
import { withLock } from "../../services/lock.ts";
import { adoptCluster } from "../../services/postgres.ts";
import { print } from "./output.ts";

export interface AdoptOptions {
  moved: boolean;
  copy: boolean;
  json?: boolean;
}

/** Takes the user's word for what a folder is: the workspace itself at a new place, or a copy that gets a name of its own. */
export async function adopt(options: AdoptOptions): Promise<void> {
  if (options.moved === options.copy)
    throw new LegaloneError("E_USAGE", "expected one of --moved and --copy", {
      hint: "`legalone adopt --help` says what each does.",
    });
  const home = workspace();
  await withLock(join(home, "up.lock"), () => (options.copy ? adoptCopy(home) : adoptMoved(home)));
  const id = readWorkspaceNote(home)?.id;
  if (options.json) print(JSON.stringify({ home, workspace: id, copy: options.copy }));
  else print(`${home} is the workspace ${id}; \`legalone up\` starts it`);
}

async function adoptCopy(home: string): Promise<void> {
  const seen = lookAtHome(home);
  const note = readWorkspaceNote(home);
  if (note === undefined || (seen.state !== "copy" && seen.state !== "brought"))
    throw homeError(home, seen) ?? nothingToAdopt(home);
  if (process.env.LEGALONE_DATABASE_URL)
    throw new LegaloneError(
      "E_WORKSPACE",
      "the records of a copy would be those of the original: LEGALONE_DATABASE_URL names its database",
      { hint: "`legalone backup`, then `legalone restore` with LEGALONE_DATABASE_URL of an empty database." },
    );
  const id = randomUUID();
  adoptCluster(home, id);
  forgetDaemons(home);
  writeWorkspaceNote(home, { id, ...locate(home), formerly: note.id });
}

async function adoptMoved(home: string): Promise<void> {
  const seen = lookAtHome(home);
  if (seen.state === "copy" || seen.state === "half restored" || seen.state === "moved running")
    throw homeError(home, seen);
  const running = runningIn(home);
  if (running.length > 0)
    throw new LegaloneError("E_WORKSPACE", `${home} is in use here: ${running.join(", ")}`, {
      hint: "`legalone down --workers` first.",
    });
  const note = readWorkspaceNote(home);
  // A folder that takes the place of one that is gone takes over the records that are left of it.
  const named = process.env.LEGALONE_DATABASE_URL ? await recordsName(databaseSpec(home)) : undefined;
  const id = named ?? note?.id;
  if (id === undefined) throw nothingToAdopt(home);
  if (!process.env.LEGALONE_DATABASE_URL) adoptCluster(home);
  forgetDaemons(home);
  writeWorkspaceNote(home, { id, ...locate(home) });
}

/** Notes of daemons of another place or machine. */
function forgetDaemons(home: string): void {
  for (const name of ["serve", "agent", "valkey"]) rmSync(join(home, `${name}.json`), { force: true });
  for (const name of ["serve", "agent", "valkey", "postgres", "gc"])
    rmSync(join(home, `${name}.lock`), { force: true });
}

function nothingToAdopt(home: string): LegaloneError {
  return new LegaloneError(
    "E_USAGE",
    `${home} is no folder that came from elsewhere: there is nothing to adopt`,
    {
      hint: "LEGALONE_HOME names the folder; `legalone doctor` says what it is.",
    },
  );
}
