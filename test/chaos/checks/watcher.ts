import { readdirSync } from "node:fs";
import { basename } from "node:path";
import type { AttemptFolder } from "../../../src/dispatch/attempt-folder.ts";
import type { Database } from "../../../src/records/database.ts";
import { differences } from "../../support/replay-faults.ts";

const everyMs = 150;

type EndedAttempt = Awaited<ReturnType<typeof endedAttempts>>[number];

/**
 * Looks while the seed runs: at the rows, for what has ended then must look the same at the end (invariant 2), and at the
 * folders of attempts, for checkpoints that nobody removes.
 */
export class Watcher {
  readonly #seen = new Map<string, EndedAttempt>();
  readonly #database: Database;
  readonly #folders: () => AttemptFolder[];
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  /** By attempt: the most checkpoints that were on disk at once, and how many it keeps. */
  readonly #most = new Map<string, { most: number; keep: number }>();

  constructor(database: Database, folders: () => AttemptFolder[]) {
    this.#database = database;
    this.#folders = folders;
    this.#timer = setInterval(() => void this.#look(), everyMs);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    this.#count();
    try {
      for (const row of await endedAttempts(this.#database))
        if (!this.#seen.has(row.id)) this.#seen.set(row.id, row);
    } catch {
      // The database is away.
    } finally {
      this.#looking = false;
    }
  }

  #count(): void {
    for (const folder of this.#folders()) {
      try {
        const count = readdirSync(folder.path).filter((name) => /^step-\d+$/.test(name)).length;
        const id = basename(folder.path);
        const seen = this.#most.get(id) ?? {
          most: 0,
          keep: folder.read<{ checkpoint?: { keep?: number } }>("job.json")?.checkpoint?.keep ?? 3,
        };
        this.#most.set(id, { ...seen, most: Math.max(seen.most, count) });
      } catch {
        // Its workspace is being moved.
      }
    }
  }

  /** Those that stay, one that nobody has heard of, one that was just made, and those on their way. */
  #tooMany(): string[] {
    return [...this.#most].flatMap(([id, { most, keep }]) =>
      most > keep + 5 ? [`${id} had ${most} checkpoints on disk at once, and keeps ${keep}`] : [],
    );
  }

  /** Compares with the rows of now. */
  async end(): Promise<string[]> {
    clearInterval(this.#timer);
    while (this.#looking) await new Promise((resolve) => setTimeout(resolve, 10));
    const now = (await endedAttempts(this.#database)).filter(({ id }) => this.#seen.has(id));
    return [
      ...differences("Attempt (as it was when it ended)", this.#seen.values(), now),
      ...this.#tooMany(),
    ];
  }
}

function endedAttempts(database: Database) {
  return database.attempt.findMany({ where: { endedAt: { not: null } } });
}
