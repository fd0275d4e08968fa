import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { ConnectionSpec } from "../core/connections.ts";
import type { Log } from "../core/log.ts";
import { CarefulClient, poolConfig } from "./database.ts";

/** Key of the advisory lock that the one deciding serve holds. */
const decidingLock = 7_140_002;
const firstRetryMs = 100;
const lastRetryMs = 2_000;
/** A server that does not answer a renewal for this long is taken for gone. */
const patienceMs = 10_000;

/** The right to decide, as held now. */
export interface Office {
  /** Fences what its holder writes: another term means that somebody else decides. */
  term: number;
}

export interface LeadershipOptions {
  /** Called when the office is gained and at every notification of the database. */
  wake(): void;
  log: Log;
  /** A holder that has not renewed for this long is put out of office by the next. */
  leaseMs: number;
}

/**
 * Holds the right to decide. An advisory lock on a connection of its own keeps others out and falls with its holder;
 * a lease (the row of Leader) tells those that hang from those that work: the next in line ends the connection of a holder
 * that no longer renews. Every term has a number, and writes of an older one are refused.
 * The same connection listens for rows that want to be looked at.
 */
export class Leadership {
  /** Undefined while another serve decides. */
  office: Office | undefined;
  #client: pg.Client | undefined;
  #closed = false;
  #loop: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  readonly #spec: ConnectionSpec;
  readonly #options: LeadershipOptions;

  private constructor(spec: ConnectionSpec, options: LeadershipOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  static start(spec: ConnectionSpec, options: LeadershipOptions): Leadership {
    const leadership = new Leadership(spec, options);
    leadership.#loop = leadership.#keep();
    return leadership;
  }

  /** Gives the office to whoever waits for it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    await this.#client?.end().catch(() => {});
    await this.#loop;
  }

  async #keep(): Promise<void> {
    const { log } = this.#options;
    let retryMs = firstRetryMs;
    let away = false;
    while (!this.#closed) {
      try {
        await this.#lead(() => {
          if (away) log.info("the database is back");
          away = false;
          retryMs = firstRetryMs;
        });
      } catch (error) {
        if (this.#closed) return;
        if (!away) log.warn("the office is lost or the database away; agents and workers go on", { error });
        away = true;
      } finally {
        this.office = undefined;
      }
      await this.#pause(retryMs);
      retryMs = Math.min(lastRetryMs, retryMs * 2);
    }
  }

  /** Resolves or throws when the connection has ended. */
  async #lead(connected: () => void): Promise<void> {
    const client = new CarefulClient({
      ...poolConfig(this.#spec),
      connectionTimeoutMillis: 5_000,
      query_timeout: Math.max(patienceMs, this.#options.leaseMs),
      keepAlive: true,
    });
    this.#client = client;
    const ended = new Promise<void>((resolve, reject) => {
      // A connection that is ended by the server tells it twice.
      client.on("error", reject);
      client.once("end", resolve);
    });
    ended.catch(() => {});
    try {
      // A client that is ended while it connects settles its connect() never.
      await Promise.race([client.connect(), ended]);
      if (this.#closed) return;
      connected();
      const office = await this.#take(client);
      if (office === undefined) return;
      client.on("notification", this.#options.wake);
      await client.query("listen legalone");
      this.office = office;
      this.#options.wake();
      await Promise.race([ended, this.#renew(client, office.term)]);
    } finally {
      this.#client = undefined;
      client.end().catch(() => {});
    }
  }

  /**
   * Waits in line; undefined when this serve leaves meanwhile. How long the holder has not renewed is counted by this
   * process's own clock, look by look: a step of the database's clock, or sleep of this process, puts nobody out.
   */
  async #take(client: pg.Client): Promise<Office | undefined> {
    const { leaseMs, log } = this.#options;
    const slowest = Math.max(20, Math.min(1_000, leaseMs / 10));
    let seen: string | undefined;
    let silentMs = 0;
    let lookedAt = performance.now();
    for (let waitMs = Math.min(20, slowest); !this.#closed; waitMs = Math.min(slowest, waitMs * 2)) {
      const { rows } = await client.query<{ taken: boolean }>("select pg_try_advisory_lock($1) as taken", [
        decidingLock,
      ]);
      if (rows[0]?.taken) {
        const taken = await client.query<Office>(takeOffice, [
          `${hostname()} ${process.pid}`,
          leaseMs / 1000,
        ]);
        return taken.rows[0];
      }
      const [renewed, now] = [await leaseOf(client), performance.now()];
      silentMs = renewed === seen ? silentMs + Math.min(now - lookedAt, 2 * slowest) : 0;
      [seen, lookedAt] = [renewed, now];
      if (silentMs > leaseMs) {
        const { rowCount } = await client.query(endHolder, [decidingLock]);
        if (rowCount) log.warn("the serve in office no longer renews it; its connection was ended");
      }
      await this.#pause(waitMs);
    }
    return undefined;
  }

  /** Renews until it may not. @throws Error when the office has another holder */
  async #renew(client: pg.Client, term: number): Promise<void> {
    const { leaseMs } = this.#options;
    while (!this.#closed) {
      await this.#pause(leaseMs / 3);
      if (this.#closed) return;
      const { rowCount } = await client.query(renewOffice, [term, leaseMs / 1000]);
      if (rowCount === 0) throw new Error(`another serve took the office after term ${term}`);
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}

/** A text that changes whenever the holder takes or renews the office. */
async function leaseOf(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ lease: string }>(
    `select term || ' ' || "leaseUntil" as lease from "Leader" where id = 1`,
  );
  return rows[0]?.lease;
}

const takeOffice = `
insert into "Leader" (id, term, holder, backend, "leaseUntil")
values (1, 1, $1, pg_backend_pid(), clock_timestamp() + make_interval(secs => $2))
on conflict (id) do update set term = "Leader".term + 1, holder = excluded.holder, backend = excluded.backend,
  "leaseUntil" = excluded."leaseUntil"
returning term`;

const renewOffice = `
update "Leader" set "leaseUntil" = clock_timestamp() + make_interval(secs => $2) where id = 1 and term = $1`;

/** Only the process that holds the lock in this database, and only when the row names it: numbers are used again. */
const endHolder = `
select pg_terminate_backend(l.pid) from pg_locks l join "Leader" o on o.backend = l.pid
 where l.locktype = 'advisory' and l.objid = $1 and l.granted
   and l.database = (select oid from pg_database where datname = current_database())`;
