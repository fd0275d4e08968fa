import type { Artifact, PrismaClient } from "../generated/client.ts";
import type { StageRow } from "./stages.ts";

/** An artifact with the stage that made it and what it was made from. What several were made from is one object. */
export interface Lineage {
  artifact: Artifact;
  stage: string;
  kind: string;
  parents: Lineage[];
}

/** Artifacts are read so many at a time. */
const pageSize = 5000;

/**
 * All that an artifact was made from, generation by generation, each artifact read once. Parents are named by artifact id; one
 * that is not recorded is left out.
 */
export async function lineageOf(db: PrismaClient, artifactId: string): Promise<Lineage | null> {
  const nodes = new Map<string, Lineage>();
  for (let wanted = [artifactId]; wanted.length > 0; ) {
    const next = new Set<string>();
    for (let from = 0; from < wanted.length; from += pageSize) {
      const rows = await db.artifact.findMany({
        where: { id: { in: wanted.slice(from, from + pageSize) } },
        include: { stage: { select: { name: true, kind: true } } },
      });
      for (const { stage, ...artifact } of rows) {
        nodes.set(artifact.id, { artifact, stage: stage.name, kind: stage.kind, parents: [] });
        for (const parent of artifact.parents) next.add(parent);
      }
    }
    wanted = [...next].filter((id) => !nodes.has(id));
  }
  for (const node of nodes.values())
    node.parents = node.artifact.parents.flatMap((id) => nodes.get(id) ?? []);
  return nodes.get(artifactId) ?? null;
}

/** Of what the lineage of these stages is told: the delivery that was committed last, else the last output of the last stage. */
export async function lineageRoot(
  db: PrismaClient,
  stages: readonly Pick<StageRow, "artifacts">[],
): Promise<string | null> {
  const delivery = stages.flatMap((row) => row.artifacts).findLast(({ kind }) => kind === "delivery");
  if (delivery) return delivery.id;
  const last = stages.findLast((row) => row.artifacts.length > 0);
  return (last && (await newestOutput(db, last.artifacts[0]!.stageId)))?.id ?? null;
}

/** The output of a stage that was committed last. */
export async function newestOutput(db: PrismaClient, stageId: string): Promise<Artifact | null> {
  return db.artifact.findFirst({
    where: { stageId, kind: { not: "checkpoint" } },
    orderBy: [{ committedAt: "desc" }, { id: "desc" }],
  });
}
