import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { ConnectionSpec } from "../core/connections.ts";
import type { Log } from "../core/log.ts";
import { poolConfig } from "./database.ts";

/** Key of the advisory lock that the one deciding serve holds. */
const decidingLock = 7_140_002;
const firstRetryMs = 100;
const lastRetryMs = 2_000;

/**
 * Holds the right to decide: an advisory lock on a connection of its own, taken again whenever the connection breaks.
 * The same connection listens for rows that want to be looked at.
 */
export class Leadership {
  /** Since when it leads without a break; undefined while it does not. */
  since: Date | undefined;
  #client: pg.Client | undefined;
  #closed = false;
  #loop: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  /** `wake` is called when the lead is gained and at every notification. */
  static start(spec: ConnectionSpec, wake: () => void, log: Log): Leadership {
    const leadership = new Leadership();
    leadership.#loop = leadership.#keep(spec, wake, log);
    return leadership;
  }

  /** Gives the lead to whoever waits for it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    await this.#client?.end().catch(() => {});
    await this.#loop;
  }

  async #keep(spec: ConnectionSpec, wake: () => void, log: Log): Promise<void> {
    let retryMs = firstRetryMs;
    while (!this.#closed) {
      try {
        await this.#lead(
          spec,
          () => {
            if (retryMs > firstRetryMs) log.info("the database is back");
            retryMs = firstRetryMs;
            wake();
          },
          wake,
        );
      } catch (error) {
        if (this.#closed) return;
        if (retryMs === firstRetryMs) log.warn("the database is away; agents and workers go on", { error });
      } finally {
        this.since = undefined;
      }
      await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => {});
      retryMs = Math.min(lastRetryMs, retryMs * 2);
    }
  }

  /** Resolves or throws when the connection has ended. */
  async #lead(spec: ConnectionSpec, gained: () => void, wake: () => void): Promise<void> {
    const client = new pg.Client({ ...poolConfig(spec), connectionTimeoutMillis: 5_000, keepAlive: true });
    this.#client = client;
    const ended = new Promise<void>((resolve, reject) => {
      client.once("error", reject);
      client.once("end", resolve);
    });
    ended.catch(() => {});
    try {
      await client.connect();
      // Waits for the serve before this one.
      await Promise.race([client.query("select pg_advisory_lock($1)", [decidingLock]), ended]);
      client.on("notification", wake);
      await client.query("listen legalone");
      this.since = (await client.query<{ now: Date }>("select clock_timestamp() as now")).rows[0]!.now;
      gained();
      await ended;
    } finally {
      this.#client = undefined;
      client.end().catch(() => {});
    }
  }
}
