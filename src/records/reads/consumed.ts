import type { Database } from "../database.ts";
import type { Artifact, Attempt, Stage } from "../generated/client.ts";

/** All that is recorded of what a stage consumed, over its generations and attempts. */
export interface Consumed {
  /** The generation that counts; of a SKIPPED stage the one whose outputs it took. */
  stage: Stage;
  /** Oldest first. Attempts of earlier generations only where those had the same code, options and inputs. */
  attempts: (Attempt & { checkpoints: Artifact[] })[];
  /** Generations that were left out: they had other code, options or inputs. */
  otherGenerations: number[];
  /** The checkpoint a fork began with. */
  began: Artifact | null;
}

/** What a checkpoint recorded of its position in the data: row, ledger, hash of the order. */
export function cursorOf(meta: unknown): Record<string, unknown> {
  return (meta as { cursor?: Record<string, unknown> } | null)?.cursor ?? {};
}

/** Reads it for the newest generation of a stage. Checkpoints whose bytes are gone count: their rows keep where they stood. */
export async function consumedBy(db: Database, stage: Pick<Stage, "id" | "cachedFrom">): Promise<Consumed> {
  const row = await db.stage.findUniqueOrThrow({ where: { id: stage.cachedFrom ?? stage.id } });
  const generations = await db.stage.findMany({
    where: { runId: row.runId, name: row.name, generation: { lte: row.generation } },
    orderBy: { generation: "asc" },
    include: {
      shards: {
        include: {
          attempts: {
            orderBy: { epoch: "asc" },
            include: { artifacts: { where: { kind: "checkpoint" }, orderBy: { step: "asc" } } },
          },
        },
      },
    },
  });
  const alike = generations.filter(({ id, cacheKey }) => id === row.id || cacheKey === row.cacheKey);
  const began = row.startFrom && (await db.artifact.findUnique({ where: { id: row.startFrom } }));
  return {
    stage: row,
    attempts: alike.flatMap(({ shards }) =>
      shards.flatMap(({ attempts }) =>
        attempts.map(({ artifacts, ...attempt }) => ({ ...attempt, checkpoints: artifacts })),
      ),
    ),
    otherGenerations: generations.filter((one) => !alike.includes(one)).map(({ generation }) => generation),
    began: began || null,
  };
}
