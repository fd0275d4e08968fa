import type { Event, PrismaClient } from "../generated/client.ts";
import { type EventFilter, eventsAfter, nthLast, settledEvent } from "./events.ts";

/**
 * Ids are given out when a row is inserted and seen when its transaction commits, so that a lower id may appear after a
 * higher one. Twice as long as a transaction of ours lasts at most (records/database.ts): one may have been open as long
 * before the higher id as after it.
 */
const overlapMs = 30_000;

/**
 * Events of a run, each given once, whatever order their transactions commit in; page by page, however many there are. Every
 * call reads from where all before it is settled.
 */
export class NewEvents {
  readonly #db: PrismaClient;
  readonly #filter: EventFilter;
  /** How many of the past to begin with; all when undefined. */
  readonly #past: number | undefined;
  /** All events up to here have been given, or are never to be; undefined before the first call. */
  #floor: bigint | undefined;
  /** Those above it. */
  readonly #given = new Set<bigint>();

  constructor(db: PrismaClient, filter: EventFilter, past?: number) {
    this.#db = db;
    this.#filter = filter;
    this.#past = past;
  }

  /** What has not been given yet, oldest first. */
  async *next(): AsyncGenerator<Event[]> {
    const settled = await settledEvent(this.#db, this.#filter.run, overlapMs);
    const past = this.#past;
    this.#floor ??= (past === undefined ? null : await nthLast(this.#db, this.#filter, past + 1)) ?? 0n;
    for (let after = this.#floor; ; ) {
      const page = await eventsAfter(this.#db, this.#filter, after);
      const fresh = page.events.filter(({ id }) => !this.#given.has(id));
      for (const { id } of fresh) if (id > settled) this.#given.add(id);
      this.#settle(page.last < settled ? page.last : settled);
      if (fresh.length > 0) yield fresh;
      if (page.last === after) break;
      after = page.last;
    }
    this.#settle(settled);
  }

  #settle(id: bigint): void {
    if (id <= (this.#floor ?? 0n)) return;
    this.#floor = id;
    for (const given of this.#given) if (given <= id) this.#given.delete(given);
  }
}
