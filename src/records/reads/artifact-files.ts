import { join } from "node:path";
import { workspace } from "../../core/paths.ts";
import { placePath } from "../../core/places.ts";
import { readWholeFile } from "../../core/whole-file.ts";
import type { Artifact } from "../generated/client.ts";

/** Files that views read are reports of some kilobytes; one as large as this is data. */
const largest = 32 * 1024 * 1024;

/** The folder of an artifact in this workspace, or null for an address that names none. */
export function artifactFolder(artifact: Pick<Artifact, "uri">): string | null {
  return placePath(workspace(), artifact.uri) ?? null;
}

/** A JSON file of an artifact; null when it is not there, not reachable from here, too large or broken. */
export async function readArtifactJson(artifact: Pick<Artifact, "uri">, path: string): Promise<unknown> {
  const folder = artifactFolder(artifact);
  return folder === null ? null : readJson(join(folder, path));
}

/** A JSON file of an attempt's folder in this workspace; null as above. */
export async function readAttemptJson(home: string, attemptId: string, path: string): Promise<unknown> {
  return readJson(join(home, "attempts", attemptId, path));
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readWholeFile(path, largest).toString("utf8"));
  } catch {
    return null;
  }
}
