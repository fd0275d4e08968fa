import type { PrismaClient } from "../generated/client.ts";

/** A stage with shards that wait for a free slot or NPU, and where it stands among all that wait. */
export interface QueuePlace {
  stageId: string;
  runId: string;
  stage: string;
  priority: number;
  /** From 1. */
  place: number;
  of: number;
  /** Its shards that wait. */
  waiting: number;
  /** Shards of other stages that get a place first. */
  ahead: number;
}

interface Row {
  stageId: string;
  runId: string;
  stage: string;
  priority: number;
  waiting: number;
}

/**
 * What waits for a free place, in the order in which places are given out (workflow/place.ts): priority, age of the stage,
 * position. A shard in its back-off, and a stage that runs as many shards as it may, wait for something else.
 */
export async function readQueue(db: PrismaClient): Promise<QueuePlace[]> {
  const rows = await db.$queryRaw<Row[]>`
    select st.id as "stageId", st."runId", st.name as stage, r.priority, w.waiting
      from "Stage" st join "Run" r on r.id = st."runId",
      lateral (
        select count(*)::int as waiting from "Shard" sh where sh."stageId" = st.id and sh.state = 'PENDING'
           and (sh."notBefore" is null or sh."notBefore" <= clock_timestamp())) as w
     where st."endedAt" is null and st.state in ('READY', 'RUNNING') and st.desired = 'RUN' and w.waiting > 0
       and (select count(*) from "Shard" o where o."stageId" = st.id and o.state = 'RUNNING')
           < case jsonb_typeof(st.spec -> 'concurrency') when 'number' then (st.spec ->> 'concurrency')::numeric else 2147483647 end
     order by r.priority desc, st."createdAt", st.position`;
  let ahead = 0;
  return rows.map((row, i) => {
    const place = { ...row, place: i + 1, of: rows.length, ahead };
    ahead += row.waiting;
    return place;
  });
}
