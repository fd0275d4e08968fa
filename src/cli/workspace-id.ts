import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const file = "workspace.id";

/** Names a workspace: an agent that finds serve's name in its own folder shares it. Makes the name where there is none. */
export function workspaceId(home: string): string {
  mkdirSync(home, { recursive: true });
  try {
    writeFileSync(join(home, file), `${randomUUID()}\n`, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readFileSync(join(home, file), "utf8").trim();
}

/** The name that serve gave a workspace; empty where no serve has run. */
export function knownWorkspaceId(home: string): string {
  try {
    return readFileSync(join(home, file), "utf8").trim();
  } catch {
    return "";
  }
}
