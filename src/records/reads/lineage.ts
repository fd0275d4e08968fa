import type { Artifact, PrismaClient } from "../generated/client.ts";

/** An artifact with the stage that made it and, in turn, what it was made from. */
export interface Lineage {
  artifact: Artifact;
  stage: string;
  kind: string;
  parents: Lineage[];
}

/** The tree behind an artifact. Parents are named by artifact id; one that is not recorded is left out. */
export async function lineageOf(db: PrismaClient, artifactId: string, depth = 32): Promise<Lineage | null> {
  const row = await db.artifact.findUnique({
    where: { id: artifactId },
    include: { stage: { select: { name: true, kind: true } } },
  });
  if (row === null) return null;
  const { stage, ...artifact } = row;
  const parents =
    depth === 0 ? [] : await Promise.all(artifact.parents.map((id) => lineageOf(db, id, depth - 1)));
  return {
    artifact,
    stage: stage.name,
    kind: stage.kind,
    parents: parents.filter((parent) => parent !== null),
  };
}
