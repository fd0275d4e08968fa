import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeHome } from "../core/own-folder.ts";
import { createWhole, replaceWhole } from "../core/whole-file.ts";

const file = "workspace.id";

/**
 * Names a workspace: an agent that finds serve's name in its own folder shares it. Makes the name where there is none.
 * @throws ENOSPC, EACCES, …; never leaves half a name
 */
export function workspaceId(home: string): string {
  makeHome(home);
  const known = knownWorkspaceId(home);
  if (known !== "") return known;
  const path = join(home, file);
  const name = `${randomUUID()}\n`;
  // Of two that start at once the first has named it; an empty one was left by a full disk.
  if (!createWhole(path, name) && knownWorkspaceId(home) === "") replaceWhole(path, name);
  return readFileSync(path, "utf8").trim();
}

/** The name that serve gave a workspace; empty where no serve has run. */
export function knownWorkspaceId(home: string): string {
  try {
    return readFileSync(join(home, file), "utf8").trim();
  } catch {
    return "";
  }
}
