import { recordedResult } from "../core/recorded.ts";
import type { ArtifactRow, StageResult } from "../core/rows.ts";
import { giveUp, lookAtPlaces } from "./artifacts.ts";
import type { Database } from "./database.ts";

/** A stage that succeeded before with the same cache key; its artifacts are all there. */
export interface CacheHit {
  stageId: string;
  result: StageResult | null;
  artifacts: ArtifactRow[];
}

/**
 * The newest usable stage of each cache key, or null. One with an artifact whose folder is not where the record says
 * (somebody removed it) is no hit, and that artifact is marked as gone; one that is there again counts again.
 */
export async function lookUpCache(
  database: Database,
  keys: readonly string[],
  home?: string,
  isSound: (row: ArtifactRow) => Promise<boolean> = async () => true,
): Promise<Map<string, CacheHit | null>> {
  const hits = new Map<string, CacheHit | null>(keys.map((key) => [key, null]));
  const rows = await database.stage.findMany({
    where: { cacheKey: { in: [...keys] }, state: "SUCCEEDED" },
    orderBy: { endedAt: "desc" },
    include: { artifacts: { where: { kind: { not: "checkpoint" } } } },
  });
  const outputs = rows.flatMap((stage) => stage.artifacts);
  const gone = await lookAtPlaces(database, outputs, home);
  for (const { id: stageId, cacheKey, artifacts, result } of rows) {
    const whole = artifacts.every(({ id }) => !gone.has(id));
    if (!whole || !cacheKey || hits.get(cacheKey)) continue;
    // What no gate can be measured by is nothing to take over.
    if (result !== null && recordedResult(result) === null) continue;
    const sound = await Promise.all(artifacts.map(isSound));
    const damaged = artifacts.filter((_, i) => !sound[i]);
    if (damaged.length > 0) {
      await giveUp(database, damaged);
      continue;
    }
    hits.set(cacheKey, { stageId, result: recordedResult(result), artifacts });
  }
  return hits;
}
