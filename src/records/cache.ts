import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ArtifactRow, StageResult } from "../core/rows.ts";
import { markGone } from "./artifacts.ts";
import { type Database, databaseNow } from "./database.ts";

/** A stage that succeeded before with the same cache key; its artifacts are all there. */
export interface CacheHit {
  stageId: string;
  result: StageResult | null;
  artifacts: ArtifactRow[];
}

/**
 * The newest usable stage of each cache key, or null. One with an artifact whose folder is not where the record says
 * (somebody removed it) is no hit, and that artifact is marked as gone.
 */
export async function lookUpCache(
  database: Database,
  keys: readonly string[],
): Promise<Map<string, CacheHit | null>> {
  const hits = new Map<string, CacheHit | null>(keys.map((key) => [key, null]));
  const rows = await database.stage.findMany({
    where: { cacheKey: { in: [...keys] }, state: "SUCCEEDED" },
    orderBy: { endedAt: "desc" },
    include: { artifacts: { where: { kind: { not: "checkpoint" } } } },
  });
  const missing: string[] = [];
  for (const stage of rows) {
    const broken = stage.artifacts.filter((artifact) => artifact.goneAt === null && !isThere(artifact.uri));
    missing.push(...broken.map((artifact) => artifact.id));
    const usable = broken.length === 0 && stage.artifacts.every((artifact) => artifact.goneAt === null);
    if (usable && stage.cacheKey && !hits.get(stage.cacheKey)) {
      const { id: stageId, artifacts } = stage;
      hits.set(stage.cacheKey, { stageId, result: stage.result as StageResult | null, artifacts });
    }
  }
  if (missing.length > 0) await markGone(database, missing, await databaseNow(database));
  return hits;
}

/** Folders of this machine are looked at; what lies elsewhere is taken at its record's word. */
function isThere(uri: string): boolean {
  return !uri.startsWith("file://") || existsSync(fileURLToPath(uri));
}
