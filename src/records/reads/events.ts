import type { Event, PrismaClient } from "../generated/client.ts";

export interface EventPage {
  events: Event[];
  /** Give it as `after` to get what came later; unchanged when nothing did. */
  last: bigint;
}

export interface EventFilter {
  run: string;
  stageId?: string | undefined;
  types?: string[] | undefined;
}

/** Events of a run with an id above `after`, in the order they were committed. */
export async function eventsAfter(
  db: PrismaClient,
  filter: EventFilter,
  after: bigint,
  limit = 500,
): Promise<EventPage> {
  const events = await db.event.findMany({
    where: { ...where(filter), id: { gt: after } },
    orderBy: { id: "asc" },
    take: limit,
  });
  return { events, last: events.at(-1)?.id ?? after };
}

/** The id of the event that is the `n`th from the end, or null where there are fewer. */
export async function nthLast(db: PrismaClient, filter: EventFilter, n: number): Promise<bigint | null> {
  const [found] = await db.event.findMany({
    where: where(filter),
    orderBy: { id: "desc" },
    skip: n - 1,
    take: 1,
    select: { id: true },
  });
  return found?.id ?? null;
}

/** The newest event of a run that is older than `ageMs`, or 0: what comes later has a higher id. */
export async function settledEvent(db: PrismaClient, run: string, ageMs: number): Promise<bigint> {
  const [found] = await db.$queryRaw<{ id: bigint }[]>`
    select id from "Event" where "runId" = ${run} and at < clock_timestamp() - make_interval(secs => ${ageMs / 1000})
     order by id desc limit 1`;
  return found?.id ?? 0n;
}

function where(filter: EventFilter) {
  return {
    runId: filter.run,
    ...(filter.stageId === undefined ? {} : { stageId: filter.stageId }),
    ...(filter.types === undefined ? {} : { type: { in: filter.types } }),
  };
}
