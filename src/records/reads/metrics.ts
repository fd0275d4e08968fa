import { Prisma } from "../database.ts";
import type { PrismaClient } from "../generated/client.ts";

/** One curve of one shard. Each point stands for a bucket of steps: its last step, mean, smallest and largest value. */
export interface Series {
  name: string;
  shard: number;
  points: { step: number; value: number; low: number; high: number }[];
}

interface PointRow {
  shard: number;
  name: string;
  step: number;
  value: number;
  low: number;
  high: number;
}

/** Curves are shown of so many shards: of more nobody could tell them apart. */
export const mostCurves = 64;

/**
 * Every metric of a stage as curves of at most `points` points. Where attempts overlap (steps trained again after a
 * resume) the newest attempt's value counts, so that a curve is what the final weights went through.
 */
export async function metricSeries(
  db: PrismaClient,
  stageId: string,
  {
    names,
    points = 400,
    shards = 2 ** 31 - 1,
  }: { names?: string[] | undefined; points?: number /** The first so many. */; shards?: number } = {},
): Promise<Series[]> {
  const rows = await db.$queryRaw<PointRow[]>`
    with latest as (
      select distinct on (s.index, m.name, m.step) s.index as shard, m.name, m.step, m.value
      from "Metric" m join "Attempt" a on a.id = m."attemptId" join "Shard" s on s.id = a."shardId"
      where m."stageId" = ${stageId} and s.index < ${shards}::int and (${names === undefined} or m.name = any(${names ?? []}::text[]))
      order by s.index, m.name, m.step, a.epoch desc
    ), span as (
      select shard, name, min(step) as low, greatest(1, ceil((max(step) - min(step) + 1)::float8 / ${points}::int)) as width
      from latest group by shard, name
    )
    select l.shard, l.name, max(l.step) as step, avg(l.value) as value, min(l.value) as low, max(l.value) as high
    from latest l join span on span.shard = l.shard and span.name = l.name
    group by l.shard, l.name, floor((l.step - span.low) / span.width)
    order by l.name, l.shard, step`;
  const series: Series[] = [];
  for (const { shard, name, ...point } of rows) {
    const last = series.at(-1);
    if (last?.name === name && last.shard === shard) last.points.push(point);
    else series.push({ name, shard, points: [point] });
  }
  return series;
}

/** Names `n` of the metrics of attempt `a`, from name to name through the index: the points between are not read. */
const namesOfAttempt = Prisma.sql`lateral (
  with recursive names as (
    (select name from "Metric" where "attemptId" = a.id order by name limit 1)
    union all
    select (select name from "Metric" where "attemptId" = a.id and name > names.name order by name limit 1)
      from names where names.name is not null)
  select name from names where name is not null) as n`;

/** Names of what was measured in stages. */
export async function metricNames(db: PrismaClient, stageIds: readonly string[]): Promise<string[]> {
  const rows = await db.$queryRaw<{ name: string }[]>`
    select distinct n.name from "Attempt" a join "Shard" s on s.id = a."shardId",
      ${namesOfAttempt}
    where s."stageId" = any(${[...stageIds]}::text[]) order by n.name`;
  return rows.map(({ name }) => name);
}

/** The last value of each metric of an attempt, with its step and time, by attempt id. */
export async function latestMetrics(
  db: PrismaClient,
  attemptIds: string[],
): Promise<Map<string, Map<string, number>>> {
  const rows = await db.$queryRaw<{ attemptId: string; name: string; value: number }[]>`
    select a.id as "attemptId", n.name, m.value from unnest(${attemptIds}::text[]) as a (id),
      ${namesOfAttempt},
      lateral (
        select value from "Metric" where "attemptId" = a.id and name = n.name order by step desc, id desc limit 1) as m`;
  const byAttempt = new Map<string, Map<string, number>>(attemptIds.map((id) => [id, new Map()]));
  for (const row of rows) byAttempt.get(row.attemptId)?.set(row.name, row.value);
  return byAttempt;
}

/** A step whose loss or reward was measured, with what was measured beside it. */
export interface LoggedStep {
  stageId: string;
  attemptId: string;
  step: number;
  at: Date;
  values: Record<string, number>;
}

/** Whatever else a step measures is for curves. */
const logged = ["loss", "reward", "lr", "tokens_per_second"];

/** The last steps of each stage that measured a loss or a reward, at most so many each, in order of time, of that time only. */
export async function loggedSteps(
  db: PrismaClient,
  stageIds: readonly string[],
  { most, since, until }: { most: number; since: Date; until: Date },
): Promise<LoggedStep[]> {
  return db.$queryRaw<LoggedStep[]>`
    select s.id as "stageId", p."attemptId", p.step, p.at, v.values
      from unnest(${[...stageIds]}::text[]) as s (id),
      lateral (
        select "attemptId", step, max(at) as at from (
          (select "attemptId", step, at from "Metric" where "stageId" = s.id and name = 'loss' order by step desc limit ${most}::int)
          union all
          (select "attemptId", step, at from "Metric" where "stageId" = s.id and name = 'reward' order by step desc limit ${most}::int)) as found
        group by "attemptId", step order by step desc limit ${most}::int) as p,
      lateral (
        select jsonb_object_agg(name, value) as values from "Metric"
          where "attemptId" = p."attemptId" and name = any(${logged}::text[]) and step = p.step) as v
    where p.at between ${since} and ${until} order by p.at, p.step`;
}
