import type { Node, PrismaClient } from "../generated/client.ts";

/** Every node that has ever reported, by name. */
export async function listNodes(db: PrismaClient): Promise<Node[]> {
  return db.node.findMany({ orderBy: { id: "asc" } });
}

/** An engine that is set up on a node and did not answer there. */
export interface AwayEngine {
  engine: string;
  since: string;
  why: string;
}

/** Engines of a node that were away at its last word. */
export function awayOf({ info }: Pick<Node, "info">): AwayEngine[] {
  const { away } = (info ?? {}) as { away?: unknown };
  return Array.isArray(away) ? (away as AwayEngine[]) : [];
}
