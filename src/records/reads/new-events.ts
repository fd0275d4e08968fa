import type { Event, PrismaClient } from "../generated/client.ts";
import { type EventFilter, eventsAfter, lastEvents } from "./events.ts";

/**
 * Ids are given out when a row is inserted and seen when its transaction commits, so that a lower id may appear after a
 * higher one. No transaction of ours lasts longer than this (records/database.ts).
 */
const overlapMs = 20_000;

/** Events of a run, each given once, whatever order their transactions commit in. */
export class NewEvents {
  readonly #db: PrismaClient;
  readonly #filter: EventFilter;
  /** All events up to here have been given. */
  #floor = 0n;
  /** Those above the floor. */
  readonly #given = new Map<bigint, Date>();

  constructor(db: PrismaClient, filter: EventFilter) {
    this.#db = db;
    this.#filter = filter;
  }

  /** The last `count` events, oldest first; what came before them is never given. */
  async last(count: number): Promise<Event[]> {
    const { events } = await lastEvents(this.#db, this.#filter, count);
    this.#floor = events[0] === undefined ? 0n : events[0].id - 1n;
    return this.#take(events);
  }

  /** What has not been given yet. */
  async next(): Promise<Event[]> {
    const events: Event[] = [];
    for (let after = this.#floor; ; ) {
      const page = await eventsAfter(this.#db, this.#filter, after);
      events.push(...page.events);
      if (page.last === after) return this.#take(events);
      after = page.last;
    }
  }

  #take(events: Event[]): Event[] {
    const fresh = events.filter(({ id }) => !this.#given.has(id));
    for (const { id, at } of fresh) this.#given.set(id, at);
    this.#settle();
    return fresh;
  }

  /** Moves the floor past events that are older than any open transaction, by the times of the events themselves. */
  #settle(): void {
    const newest = Math.max(0, ...[...this.#given.values()].map((at) => at.getTime()));
    const ids = [...this.#given.keys()].sort((a, b) => (a < b ? -1 : 1));
    for (const id of ids) {
      if (newest - this.#given.get(id)!.getTime() < overlapMs) return;
      this.#floor = id;
      this.#given.delete(id);
    }
  }
}
