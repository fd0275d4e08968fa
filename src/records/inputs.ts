import { type ArtifactRow, newestOfShard } from "../core/rows.ts";
import type { Writer } from "./database.ts";

/** An artifact bound to an input of a stage, with the name of the stage it comes from. */
export interface InputArtifact {
  kind: string;
  stage: string;
  artifact: ArtifactRow;
}

interface BoundStage {
  inputs?: { kind: string; stage: string | null }[];
}

/**
 * The committed artifacts of a stage's inputs, in bound order, shards in order. A needed stage means its newest
 * generation; one that was SKIPPED hands on those of the stage it was cached from.
 */
export async function inputArtifacts(writer: Writer, stageId: string): Promise<InputArtifact[]> {
  const stage = await writer.stage.findUniqueOrThrow({ where: { id: stageId } });
  const bound = (stage.spec as BoundStage).inputs?.filter((input) => input.stage !== null) ?? [];
  const needed = await writer.stage.findMany({
    where: { runId: stage.runId, name: { in: bound.map((input) => input.stage as string) } },
    orderBy: { generation: "desc" },
  });
  const sources = new Map<string, string>();
  for (const row of needed) if (!sources.has(row.name)) sources.set(row.name, row.cachedFrom ?? row.id);
  const artifacts = await writer.artifact.findMany({
    where: { stageId: { in: [...sources.values()] }, kind: { not: "checkpoint" } },
    orderBy: [{ shard: "asc" }, { committedAt: "asc" }],
  });
  return bound.flatMap((input) =>
    newestOfShard(artifacts)
      .filter((row) => row.kind === input.kind && row.stageId === sources.get(input.stage as string))
      .map((artifact) => ({ kind: input.kind, stage: input.stage as string, artifact })),
  );
}
