import { newestGenerations } from "../../core/rows.ts";
import type { Artifact, Attempt, Gate, Prisma, PrismaClient, Shard, Stage } from "../generated/client.ts";

/** Shards that are read at once. */
const pageSize = 500;

/** A shard with its newest attempt, which is the live one when there is one. */
export interface ShardRow extends Shard {
  attempt: Attempt | null;
}

/** What the shards of a stage add up to, where they are too many to be read. */
export interface ShardCounts {
  of: number;
  done: number;
  /** Attempts beyond the first, over all shards. */
  retries: number;
}

/** A stage with everything a view shows of it. Checkpoints are left out of `artifacts`; the newest is counted apart. */
export interface StageRow extends Stage {
  shards: ShardRow[];
  /** Set where `shards` are but some of very many, as `artifacts` may be then too (currentStages). */
  counts: ShardCounts | null;
  gates: Gate[];
  artifacts: Artifact[];
  checkpoint: Artifact | null;
  /** The run whose outputs a SKIPPED stage uses. */
  cachedRun: string | null;
  /** How long the stage took that made the outputs of a SKIPPED one. */
  cachedMs: number | null;
}

/** Shards, outputs and summaries of a stage that are read: all of one that is not split wide. */
const mostTold = 64;

/**
 * Stages of the highest generation of each name, in the order of the pipeline, by run id. Of stages in very many shards only
 * some are read, those that run and the first, so that a view costs as much for a hundred thousand as for a hundred.
 * @param all reads every one
 */
export async function currentStages(
  db: PrismaClient,
  runIds: string[],
  { all = false }: { all?: boolean } = {},
): Promise<Map<string, StageRow[]>> {
  const rows = await db.stage.findMany({
    where: { runId: { in: runIds } },
    orderBy: [{ position: "asc" }, { name: "asc" }, { generation: "desc" }],
    include: { gates: { orderBy: [{ metric: "asc" }, { measuredAt: "asc" }] } },
    omit: { result: true },
  });
  const current = newestGenerations(rows);
  const ids = current.map(({ id }) => id);
  const sources = current.flatMap(({ cachedFrom }) => (cachedFrom === null ? [] : [cachedFrom]));
  const most = all ? null : mostTold;
  const [results, shards, artifacts, checkpoints, runs] = await Promise.all([
    resultsOf(db, [...ids, ...sources], most),
    shardsOf(db, ids, most),
    outputsOf(db, [...ids, ...sources], most),
    newestCheckpoints(db, ids),
    db.stage.findMany({
      where: { id: { in: sources } },
      select: { id: true, runId: true, startedAt: true, endedAt: true },
    }),
  ]);
  const counts = all ? new Map<string, ShardCounts>() : await countsOf(db, wideStages(shards));
  const sourceOf = new Map(runs.map((row) => [row.id, row]));
  const byRun = new Map<string, StageRow[]>(runIds.map((id) => [id, []]));
  for (const row of current) {
    // A SKIPPED stage shows the numbers and artifacts of the stage whose outputs it took.
    const source = row.cachedFrom ?? "";
    const own = artifacts.get(row.id) ?? [];
    byRun.get(row.runId)?.push({
      ...row,
      result: results.get(row.id) ?? results.get(source) ?? null,
      artifacts: own.length > 0 ? own : (artifacts.get(source) ?? []),
      shards: shards.get(row.id) ?? [],
      counts: counts.get(row.id) ?? null,
      checkpoint: checkpoints.get(row.id) ?? null,
      cachedRun: sourceOf.get(source)?.runId ?? null,
      cachedMs: tookMs(sourceOf.get(source)),
    });
  }
  return byRun;
}

function tookMs(stage: Pick<Stage, "startedAt" | "endedAt"> | undefined): number | null {
  if (!stage?.startedAt || !stage.endedAt) return null;
  return stage.endedAt.getTime() - stage.startedAt.getTime();
}

/** Results; where `most` is given, with so many summaries of shards at most. */
async function resultsOf(
  db: PrismaClient,
  ids: string[],
  most: number | null,
): Promise<Map<string, Prisma.JsonValue>> {
  const rows = await db.$queryRaw<{ id: string; result: Prisma.JsonValue }[]>`
    select id, case when jsonb_array_length(case when jsonb_typeof(result #> '{summary,shards}') = 'array'
                      then result #> '{summary,shards}' else '[]' end) > ${most}::int
      then jsonb_set(result, '{summary,shards}', (select jsonb_agg(value order by n)
             from jsonb_array_elements(result #> '{summary,shards}') with ordinality as s (value, n) where n <= ${most}::int))
      else result end as result
      from "Stage" where id = any(${ids}) and result is not null`;
  return new Map(rows.map(({ id, result }) => [id, result]));
}

/** Shards with their newest attempts, by stage; where `most` is given, so many that run and so many of all, at most. */
async function shardsOf(
  db: PrismaClient,
  ids: string[],
  most: number | null,
): Promise<Map<string, ShardRow[]>> {
  const shards = await db.$queryRaw<Shard[]>`
    select sh.* from unnest(${ids}::text[]) as st (id), lateral (
      (select * from "Shard" where "stageId" = st.id and state = 'RUNNING' order by index limit ${most}::int)
      union all
      (select * from "Shard" where "stageId" = st.id and state <> 'RUNNING' order by index limit ${most}::int)) as sh order by sh.index`;
  const attempts = await db.$queryRaw<Attempt[]>`
    select a.* from unnest(${shards.map(({ id }) => id)}::text[], ${shards.map(({ epoch }) => epoch)}::int[]) as sh (id, epoch)
      join "Attempt" a on a."shardId" = sh.id and a.epoch = sh.epoch`;
  const attemptOf = new Map(attempts.map((attempt) => [attempt.shardId, attempt]));
  return byStage(shards.map((shard) => ({ ...shard, attempt: attemptOf.get(shard.id) ?? null })));
}

/** Committed outputs by stage, in the order they were committed; where `most` is given, deliveries and so many others. */
async function outputsOf(
  db: PrismaClient,
  ids: string[],
  most: number | null,
): Promise<Map<string, Artifact[]>> {
  const rows = await db.$queryRaw<Artifact[]>`
    select a.* from unnest(${ids}::text[]) as st (id), lateral (
      (select id from "Artifact" where "stageId" = st.id and kind = 'delivery' limit ${most}::int)
      union
      (select id from "Artifact" where "stageId" = st.id and kind <> 'checkpoint' limit ${most}::int)) as o
      join "Artifact" a on a.id = o.id order by a."committedAt", a.id`;
  return byStage(rows);
}

/** Stages of which some shards may not have been read. */
function wideStages(shards: ReadonlyMap<string, readonly ShardRow[]>): string[] {
  return [...shards].flatMap(([id, rows]) => (rows.length >= mostTold ? [id] : []));
}

async function countsOf(db: PrismaClient, ids: string[]): Promise<Map<string, ShardCounts>> {
  if (ids.length === 0) return new Map();
  const rows = await db.$queryRaw<(ShardCounts & { stageId: string })[]>`
    select "stageId", count(*)::int as of, (count(*) filter (where state = 'SUCCEEDED'))::int as done,
           sum(greatest(0, epoch - 1))::int as retries
      from "Shard" where "stageId" = any(${ids}) group by "stageId"`;
  const wide = rows.filter(({ of }) => of > mostTold);
  return new Map(wide.map(({ stageId, ...counts }) => [stageId, counts]));
}

async function newestCheckpoints(db: PrismaClient, ids: string[]): Promise<Map<string, Artifact>> {
  const rows = await db.$queryRaw<Artifact[]>`
    select a.* from unnest(${ids}::text[]) as st (id), lateral (
      select * from "Artifact" where "stageId" = st.id and kind = 'checkpoint' and "goneAt" is null
       order by step desc limit 1) as a`;
  return new Map(rows.map((row) => [row.stageId, row]));
}

function byStage<Row extends { stageId: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const known = found.get(row.stageId);
    if (known) known.push(row);
    else found.set(row.stageId, [row]);
  }
  return found;
}

/** Every attempt of a stage (all its shards), oldest first. */
export async function attemptsOf(
  db: PrismaClient,
  stageId: string,
): Promise<(Attempt & { index: number })[]> {
  const rows = await db.attempt.findMany({
    where: { shard: { stageId } },
    orderBy: [{ dispatchedAt: "asc" }, { epoch: "asc" }],
    include: { shard: { select: { index: true } } },
  });
  return rows.map(({ shard, ...row }) => ({ ...row, index: shard.index }));
}

/** Every attempt of a run, of all its stages and their generations: stage by stage, shards in order, page by page. */
export async function* attemptsOfRun(db: PrismaClient, runId: string): AsyncGenerator<Attempt[]> {
  const stages = await db.stage.findMany({
    where: { runId },
    orderBy: [{ position: "asc" }, { generation: "asc" }],
    select: { id: true },
  });
  for (const { id: stageId } of stages) {
    for (let from = 0; ; from += pageSize) {
      const shards = { stageId, index: { gte: from, lt: from + pageSize } };
      const page = await db.attempt.findMany({
        where: { shard: shards },
        orderBy: [{ shard: { index: "asc" } }, { epoch: "asc" }],
      });
      if (page.length > 0) yield page;
      else if ((await db.shard.count({ where: shards })) === 0) break;
    }
  }
}

/** Ids of the attempts of a run that tell most: those that live, those that ended badly, then the others, newest first. */
export async function tellingAttempts(db: PrismaClient, runId: string, most: number): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    select a.id from "Stage" st join "Shard" sh on sh."stageId" = st.id join "Attempt" a on a."shardId" = sh.id
     where st."runId" = ${runId}
     order by a."endedAt" is not null, a.state = 'SUCCEEDED', a."dispatchedAt" desc, a.id limit ${most}`;
  return rows.map(({ id }) => id);
}
