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

/** The last `limit` events of a run, oldest first. */
export async function lastEvents(db: PrismaClient, filter: EventFilter, limit: number): Promise<EventPage> {
  const events = await db.event.findMany({ where: where(filter), orderBy: { id: "desc" }, take: limit });
  events.reverse();
  return { events, last: events.at(-1)?.id ?? 0n };
}

function where(filter: EventFilter) {
  return {
    runId: filter.run,
    ...(filter.stageId === undefined ? {} : { stageId: filter.stageId }),
    ...(filter.types === undefined ? {} : { type: { in: filter.types } }),
  };
}
