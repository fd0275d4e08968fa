import type { Database } from "../../../src/records/database.ts";
import { differences } from "../../support/replay-faults.ts";

const everyMs = 150;

type EndedAttempt = Awaited<ReturnType<typeof endedAttempts>>[number];

/** Looks at the rows while the seed runs: what has ended then must look the same at the end (invariant 2). */
export class Watcher {
  readonly #seen = new Map<string, EndedAttempt>();
  readonly #database: Database;
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  readonly faults: string[] = [];

  constructor(database: Database) {
    this.#database = database;
    this.#timer = setInterval(() => void this.#look(), everyMs);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (const row of await endedAttempts(this.#database))
        if (!this.#seen.has(row.id)) this.#seen.set(row.id, row);
    } catch {
      // The database is away.
    } finally {
      this.#looking = false;
    }
  }

  /** Compares with the rows of now. */
  async end(): Promise<string[]> {
    clearInterval(this.#timer);
    while (this.#looking) await new Promise((resolve) => setTimeout(resolve, 10));
    const now = (await endedAttempts(this.#database)).filter(({ id }) => this.#seen.has(id));
    return differences("Attempt (as it was when it ended)", this.#seen.values(), now);
  }
}

function endedAttempts(database: Database) {
  return database.attempt.findMany({ where: { endedAt: { not: null } } });
}
