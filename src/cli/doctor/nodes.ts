import { databaseSpec } from "../../services/addresses.ts";
import { postgresStatus } from "../../services/postgres.ts";
import { type Check, ok, warn } from "./check.ts";

/** The nodes that the records know, with engines that do not answer. What keeps it from the records others tell. */
export async function nodeChecks(home: string): Promise<Check[]> {
  const { awayOf, listNodes } = await import("../../records/reads/nodes.ts");
  const { openDatabase } = await import("../../records/database.ts");
  if ((await postgresStatus(home)).state === "stopped") return [];
  const records = openDatabase(databaseSpec(home), 1);
  try {
    return (await listNodes(records)).map((node) => {
      const away = awayOf(node);
      const name = `node ${node.id}`;
      const seen = `${node.address}, heard of ${node.heartbeatAt.toISOString()}; ${node.engines.join(", ")}`;
      if (away.length === 0) return ok(name, seen);
      const told = away.map(({ engine, since, why }) => `${engine} away since ${since} (${why})`).join("; ");
      return warn(
        name,
        `${seen}; ${told}`,
        "Start Docker or Podman there; the agent finds it again by itself.",
      );
    });
  } catch {
    return [];
  } finally {
    await records.$disconnect();
  }
}
