import { LegaloneError } from "../core/errors.ts";
import type { ArtifactRow } from "../core/rows.ts";
import { olderCheckpoints } from "./checkpoints.ts";
import type { Database } from "./database.ts";
import { type InputArtifact, inputArtifacts } from "./inputs.ts";
import { reviveRow } from "./revive.ts";

/** The rows a launch is made from. */
export interface LaunchRows {
  attempt: { id: string; epoch: number; engine: string; nodeId: string | null };
  shard: { index: number };
  stage: {
    id: string;
    name: string;
    kind: string;
    spec: unknown;
    startFrom: string | null;
    startedAt: Date | null;
  };
  run: { id: string; config: unknown };
  shards: number;
  inputs: InputArtifact[];
  /** The checkpoint it goes on from. */
  resume: ArtifactRow | null;
  /** Those before it, newest first. */
  older: ArtifactRow[];
  /** NPUs it holds. */
  devices: number[];
}

interface Row {
  attempt: LaunchRows["attempt"] & { resumeFrom: string | null };
  shard: LaunchRows["shard"];
  stage: Omit<LaunchRows["stage"], "startedAt"> & { startedAt: string | null };
  run: LaunchRows["run"];
  shards: number;
  devices: number[];
}

/** Reads what is needed to start a live attempt. @throws LegaloneError E_NOT_FOUND */
export async function readLaunch(database: Database, attemptId: string): Promise<LaunchRows> {
  const [row] = await database.$queryRaw<Row[]>`
    select to_json(a) as attempt, to_json(sh) as shard, to_json(st) as stage,
           json_build_object('id', r.id, 'config', r.config) as run,
           (select count(*)::int from "Shard" o where o."stageId" = st.id) as shards,
           array(select device from "Lease" l where l."attemptId" = a.id and device >= 0 order by device) as devices
      from "Attempt" a join "Shard" sh on sh.id = a."shardId" join "Stage" st on st.id = sh."stageId"
      join "Run" r on r.id = st."runId"
     where a.id = ${attemptId} and a."endedAt" is null`;
  if (!row) throw new LegaloneError("E_NOT_FOUND", `no live attempt ${attemptId}`);
  const { resumeFrom } = row.attempt;
  const resume = resumeFrom ? await database.artifact.findUnique({ where: { id: resumeFrom } }) : null;
  return {
    ...row,
    stage: reviveRow<LaunchRows["stage"]>(row.stage),
    inputs: await inputArtifacts(database, row.stage.id),
    resume,
    older: resume ? await olderCheckpoints(database, resume) : [],
  };
}
