import type { RunDetail } from "../records/reads/runs.ts";

/** A part of the run that something else stood in for, e.g. a scripted teacher in place of a model. */
export interface StandIn {
  stage: string;
  /** `teacher`, `judge`, …: the part it plays. */
  part: string;
  name: string;
}

/**
 * Stand-ins named by the stages themselves: any object with `stand_in: true` in a stage's result, in the summaries of
 * its shards, or in the meta of its artifacts, under the name of the part it plays.
 */
export function standIns({ stages }: Pick<RunDetail, "stages">): StandIn[] {
  const found = new Map<string, StandIn>();
  for (const stage of stages) {
    const places = [
      stage.result,
      ...stage.shards.map((shard) => shard.result),
      ...stage.artifacts.map((artifact) => artifact.meta),
    ];
    for (const place of places)
      for (const { part, name } of search(place, "teacher", 0))
        found.set(`${stage.name} ${part} ${name}`, { stage: stage.name, part, name });
  }
  return [...found.values()];
}

function search(value: unknown, part: string, depth: number): { part: string; name: string }[] {
  if (value === null || typeof value !== "object" || depth > 6) return [];
  const entry = value as Record<string, unknown>;
  if (entry.stand_in === true) return [{ part, name: String(entry.name ?? entry.revision ?? "stand-in") }];
  return Object.entries(entry).flatMap(([key, inner]) =>
    search(inner, Array.isArray(value) ? part : key, depth + 1),
  );
}
