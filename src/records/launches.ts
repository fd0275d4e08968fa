import { LegaloneError } from "../core/errors.ts";
import type { ArtifactRow } from "../core/rows.ts";
import type { Database } from "./database.ts";
import { type InputArtifact, inputArtifacts } from "./inputs.ts";

/** The rows a launch is made from. */
export interface LaunchRows {
  attempt: { id: string; epoch: number; engine: string; nodeId: string | null };
  shard: { index: number };
  stage: { id: string; name: string; kind: string; spec: unknown; startedAt: Date | null };
  run: { id: string; config: unknown };
  shards: number;
  inputs: InputArtifact[];
  /** The checkpoint it goes on from. */
  resume: ArtifactRow | null;
  /** NPUs it holds. */
  devices: number[];
}

/** Reads what is needed to start a live attempt. @throws LegaloneError E_NOT_FOUND */
export async function readLaunch(database: Database, attemptId: string): Promise<LaunchRows> {
  const attempt = await database.attempt.findUnique({
    where: { id: attemptId, endedAt: null },
    include: {
      leases: { where: { device: { gte: 0 } }, orderBy: { device: "asc" } },
      shard: { include: { stage: { include: { run: true, _count: { select: { shards: true } } } } } },
    },
  });
  if (!attempt) throw new LegaloneError("E_NOT_FOUND", `no live attempt ${attemptId}`);
  const { shard, leases, resumeFrom } = attempt;
  return {
    attempt,
    shard,
    stage: shard.stage,
    run: shard.stage.run,
    shards: shard.stage._count.shards,
    inputs: await inputArtifacts(database, shard.stageId),
    resume: resumeFrom ? await database.artifact.findUnique({ where: { id: resumeFrom } }) : null,
    devices: leases.map((lease) => lease.device),
  };
}
