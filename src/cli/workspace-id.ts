import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const file = "workspace.id";

/**
 * Names a workspace: an agent that finds serve's name in its own folder shares it. Makes the name where there is none.
 * @throws ENOSPC, EACCES, …; never leaves half a name
 */
export function workspaceId(home: string): string {
  mkdirSync(home, { recursive: true });
  const known = knownWorkspaceId(home);
  if (known !== "") return known;
  const path = join(home, file);
  const own = `${path}.${process.pid}`;
  try {
    writeFileSync(own, `${randomUUID()}\n`);
    // Of two that start at once the first has named it.
    linkSync(own, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // An empty one was left by a full disk.
    if (knownWorkspaceId(home) === "") renameSync(own, path);
  } finally {
    rmSync(own, { force: true });
  }
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
