import { LegaloneError } from "../core/errors.ts";
import type { LaunchFacts } from "../core/launch-facts.ts";
import { olderCheckpoints } from "./checkpoints.ts";
import type { Database } from "./database.ts";
import { inputArtifacts } from "./inputs.ts";
import { reviveRow } from "./revive.ts";

interface Row {
  attempt: LaunchFacts["attempt"] & { resumeFrom: string | null };
  shard: LaunchFacts["shard"];
  stage: Omit<LaunchFacts["stage"], "startedAt"> & { startedAt: string | null };
  run: LaunchFacts["run"];
  shards: number;
  devices: number[];
}

/** Reads what is needed to start a live attempt. @throws LegaloneError E_NOT_FOUND */
export async function readLaunch(database: Database, attemptId: string): Promise<LaunchFacts> {
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
    stage: reviveRow<LaunchFacts["stage"]>(row.stage),
    inputs: await inputArtifacts(database, row.stage.id),
    resume,
    older: resume ? await olderCheckpoints(database, resume) : [],
  };
}
