import type { Node, PrismaClient } from "../generated/client.ts";

/** Every node that has ever reported, by name. */
export async function listNodes(db: PrismaClient): Promise<Node[]> {
  return db.node.findMany({ orderBy: { id: "asc" } });
}
