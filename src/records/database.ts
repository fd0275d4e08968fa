import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { type ConnectionSpec, parseDatabaseUrl } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
import { isFileError, systemErrorIn } from "../core/system-errors.ts";
import { Prisma, PrismaClient } from "./generated/client.ts";

export type Database = PrismaClient;
/** A database or a transaction on it. */
export type Writer = Prisma.TransactionClient;

/** node-postgres settings of a connection. */
export function poolConfig(spec: ConnectionSpec) {
  return {
    host: spec.host,
    port: spec.port,
    user: spec.user,
    database: spec.database,
    ...(spec.password === undefined ? {} : { password: spec.password }),
    ...(spec.tls && spec.tls !== "off" ? { ssl: { rejectUnauthorized: spec.tls === "verified" } } : {}),
    application_name: "legalone",
  };
}

/** How long a query waits for a connection: for a free one of the pool, or for the server to take a new one. */
const connectMs = 5_000;

/** Connections of this process as they are now. */
export interface Connections {
  limit: number;
  inUse: number;
  /** Queries that wait for one to become free. */
  waiting: number;
  /** Queries that waited in vain, since the start. */
  timedOut: number;
}

/** No connection came to be. What kept it from that has a hundred shapes and means one thing: the database is away. */
class NoConnection extends Error {
  constructor(cause: unknown) {
    const { code, message } = cause as Told;
    const state = typeof code === "string" ? ` (${code})` : "";
    super(`no connection to PostgreSQL${state}: ${message || "it was not said why"}`, { cause });
    this.name = "NoConnection";
  }
}

/**
 * A client whose connection ends where its server says what the driver cannot read (another way to log in, another
 * protocol). The driver throws that into the socket's own event, where it would end the process.
 */
export class CarefulClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const connection = this.connection as unknown as { attachListeners(stream: Duplex): void };
    const attach = connection.attachListeners.bind(connection);
    connection.attachListeners = (stream) => {
      const before = stream.listeners("data");
      attach(stream);
      for (const listener of stream.listeners("data").filter((one) => !before.includes(one))) {
        stream.off("data", listener as (bytes: Buffer) => void);
        stream.on("data", (bytes: Buffer) => {
          try {
            listener(bytes);
          } catch (cause) {
            const said = (cause as Error).message;
            stream.destroy(
              new Error(`Connection terminated: the server's answer cannot be read: ${said}`, { cause }),
            );
          }
        });
      }
    };
  }
}

/**
 * Does `work` on a connection of its own, which is closed after it.
 * @throws LegaloneError E_DATABASE when none came to be or it broke, whatever the words
 */
export async function withClient<T>(
  spec: ConnectionSpec,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new CarefulClient({
    ...poolConfig(spec),
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
  });
  client.on("error", () => {});
  try {
    await client.connect().catch((error: unknown) => {
      throw new NoConnection(error);
    });
    return await work(client);
  } catch (error) {
    throw databaseError(error, spec);
  } finally {
    await client.end().catch(() => {});
  }
}

/** A pool that says so when it is the one that is full: not the server is away then, but this process asks too much. */
class NamedPool extends pg.Pool {
  timedOut = 0;

  override connect(): Promise<pg.PoolClient>;
  override connect(done: Parameters<pg.Pool["connect"]>[0]): void;
  override connect(done?: Parameters<pg.Pool["connect"]>[0]): Promise<pg.PoolClient> | undefined {
    if (done) {
      super.connect((error, client, release) => done(this.#named(error), client, release));
      return undefined;
    }
    return super.connect().catch((error: unknown) => {
      throw this.#named(error as Error);
    });
  }

  #named<E extends Error | undefined>(error: E): E | Error {
    if (!error || /after calling end on the pool/.test(error.message)) return error;
    // pg says this only of a query that waited for one of its own connections.
    if (!/^timeout exceeded when trying to connect/.test(error.message)) return new NoConnection(error);
    this.timedOut++;
    const { max } = this.options;
    return new Error(`all ${max} connections of this process were in use for ${connectMs / 1000} s`, {
      cause: error,
    });
  }
}

const pools = new WeakMap<object, NamedPool>();

/** Opens the records. Connects on first use; end with `$disconnect()`. Conflicts of transactions are tried again in it. */
export function openDatabase(spec: ConnectionSpec, connections = 6): Database {
  const pool = new NamedPool({
    ...poolConfig(spec),
    Client: CarefulClient,
    max: connections,
    connectionTimeoutMillis: connectMs,
  });
  // A broken connection is replaced at the next query. Without a listener its error would end the process; the pool has
  // one only while a connection is idle, and one may break in the moment it is handed over.
  pool.on("connect", (client) => client.on("error", () => {}));
  const database = againstConflicts(
    new PrismaClient({
      adapter: new PrismaPg(pool, { disposeExternalPool: true, onPoolError: () => {} }),
      transactionOptions: { timeout: 15_000, maxWait: 10_000 },
    }),
  );
  pools.set(database, pool);
  return database;
}

/** Connections of a database that `openDatabase` opened. */
export function connectionsOf(database: Database): Connections | undefined {
  const pool = pools.get(database);
  if (!pool) return undefined;
  const { totalCount, idleCount, waitingCount: waiting, timedOut } = pool;
  return { limit: pool.options.max, inUse: totalCount - idleCount, waiting, timedOut };
}

/** PostgreSQL ends one of several transactions that wait for each other; the next try finds the others gone. */
const mostConflicts = 8;
const firstPauseMs = 10;

/** What may write: a transaction with all its statements, a statement of its own, and each write of a table. */
const clientWrites = new Set(["$transaction", "$executeRaw", "$queryRaw"]);
const tableWrites = new Set([
  "create",
  "createMany",
  "update",
  "updateMany",
  "upsert",
  "delete",
  "deleteMany",
]);

/** The same client, whose every transaction is tried again when PostgreSQL ends it for the sake of another one. */
function againstConflicts(client: PrismaClient): PrismaClient {
  const guarded = <T extends object>(target: T, writes: ReadonlySet<string>, tables: boolean): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value === "function") {
          const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
          return writes.has(String(name)) ? (...args: unknown[]) => tryAgain(() => call(...args)) : call;
        }
        const isTable = tables && typeof name === "string" && /^[a-z]/.test(name);
        return isTable && typeof value === "object" && value ? guarded(value, tableWrites, false) : value;
      },
    });
  return guarded(client, clientWrites, true);
}

async function tryAgain(work: () => unknown): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isConflict(error) || tries === mostConflicts) throw error;
    }
    // Apart, or two that met would meet again.
    await sleep(firstPauseMs * 2 ** (tries - 1) * Math.random());
  }
}

/** The database named by LEGALONE_DATABASE_URL, or undefined where the embedded one is to be used. */
export function configuredDatabase(env: NodeJS.ProcessEnv = process.env): ConnectionSpec | undefined {
  return env.LEGALONE_DATABASE_URL ? parseDatabaseUrl(env.LEGALONE_DATABASE_URL) : undefined;
}

/** The clock of the database: the only one that leases and deadlines are measured with. */
export async function databaseNow(writer: Writer): Promise<Date> {
  const [row] = await writer.$queryRaw<{ now: Date }[]>`select clock_timestamp() as now`;
  return row!.now;
}

/** Code and text of PostgreSQL beneath an error of Prisma's. */
export function sqlState(error: unknown): { code?: string; message: string; detail?: string } {
  const { meta } = error as { meta?: { driverAdapterError?: { cause?: Record<string, unknown> } } };
  const cause = meta?.driverAdapterError?.cause;
  const code = cause?.originalCode ?? cause?.code;
  return {
    ...(typeof code === "string" ? { code } : {}),
    message: typeof cause?.originalMessage === "string" ? cause.originalMessage : String(error),
    ...(typeof cause?.detail === "string" ? { detail: cause.detail } : {}),
  };
}

/** True when PostgreSQL ended a transaction because of another one (deadlock, serialization): tried again, it may go through. */
export function isConflict(error: unknown): boolean {
  for (let at = error as Told | null | undefined; typeof at === "object" && at; at = at.cause) {
    const code = sqlState(at).code ?? at.code;
    if (code === "40P01" || code === "40001" || code === "P2034") return true;
    if (/Code: `40(?:P01|001)`|TransactionWriteConflict/.test(at.message ?? "")) return true;
  }
  return false;
}

/** True when this process had no connection left to ask with: overload, and no fault of the server. */
export function isOverload(error: unknown): boolean {
  for (let at = error as Told | null | undefined; typeof at === "object" && at; at = at.cause) {
    if (/all \d+ connections of this process were in use/.test(at.message ?? "")) return true;
  }
  return false;
}

const unreachableCodes = new Set(["P1001", "P1002", "P1008", "P1011", "P1017", "P2024", "P2028"]);

/** Of the server or the network, where no connection came to be or one broke. */
const awayStates = /^(?:ECONN|ENOENT|EACCES|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|57P0|08|53300)/;

/** What pg and Prisma say of connections that broke before, between or within queries; no code goes with it. */
const awayWords =
  /no connection to PostgreSQL|Connection terminated|not queryable|Query read timeout|timeout expired|Can't reach database|DatabaseNotReachable|connect E|connections of this process were in use/;

/** The server answers, and lets this user into this database not: to ask again later changes nothing. */
const loginWords = /no connection to PostgreSQL \((?:28|3D)/;

interface Told {
  code?: unknown;
  message?: string;
  cause?: Told;
}

/** True when the database could not be asked at all, so that trying again later makes sense. */
export function isUnreachable(error: unknown): boolean {
  // Of files and of other servers the same codes tell something else.
  const system = systemErrorIn(error);
  if (system !== undefined && (isFileError(system) || isFetch(error))) return false;
  if (isLogin(error)) return false;
  // Of an error in COMMIT, Prisma's adapter hands on a plain object as the cause.
  for (let at = error as Told | null | undefined; typeof at === "object" && at; at = at.cause) {
    const { code, message = "" } = at;
    if (typeof code === "string" && (unreachableCodes.has(code) || awayStates.test(code))) {
      return true;
    }
    if (awayWords.test(message)) return true;
    // Raw errors of the server carry their SQLSTATE in the text alone: it starts, shuts down, or has no room for one more.
    if (/Code: `(?:57P0|08|53300)/.test(message)) return true;
  }
  return false;
}

/** True when the server answers and does not let this user in. */
function isLogin(error: unknown): boolean {
  for (let at = error as Told | null | undefined; typeof at === "object" && at; at = at.cause) {
    if (loginWords.test(at.message ?? "")) return true;
  }
  return false;
}

/** What the server is short of: nothing that one row could be the reason of. */
const troubleCodes = /^(?:53100|53300|53400|57|58)/;

/** True when the database is in trouble as a whole (away, overloaded, its disk full): later it may do the same work. */
export function isDatabaseTrouble(error: unknown): boolean {
  if (isUnreachable(error) || isConflict(error) || isLogin(error)) return true;
  for (let at = error as Told | null | undefined; typeof at === "object" && at; at = at.cause) {
    if (troubleCodes.test(sqlState(at).code ?? "")) return true;
  }
  return false;
}

/** True when PostgreSQL does not take a value, size or depth, or a rule of the tables forbids it: no later try changes that. */
export function isRefused(error: unknown): boolean {
  const code = sqlState(error).code ?? "";
  return /^(?:22|23|54)/.test(code) && code !== "23505";
}

/** What Node's fetch throws for a server that is away. */
function isFetch(error: unknown): boolean {
  return error instanceof TypeError && error.message === "fetch failed";
}

/** Turns a failure to reach the database into E_DATABASE; what it refuses is E_REFUSED; hands back everything else as it is. */
export function databaseError(error: unknown, spec?: ConnectionSpec): unknown {
  if (error instanceof LegaloneError) return error;
  const where = spec ? `${spec.database} at ${spec.host}:${spec.port}` : "the database";
  const named = (message: string, hint: string) =>
    new LegaloneError("E_DATABASE", message, { hint, cause: error });
  if (isOverload(error))
    return named(
      `PostgreSQL (${where}) answers, but this process had no connection free: ${(error as Error).message}`,
      "give the command again when less is going on",
    );
  if (isConflict(error))
    return named(
      `PostgreSQL (${where}) ended ${mostConflicts} tries for the sake of other transactions: ${(error as Error).message}`,
      "give the command again when less is going on",
    );
  if (isRefused(error))
    return new LegaloneError("E_REFUSED", `the records refuse it: ${sqlState(error).message.slice(0, 500)}`, {
      cause: error,
    });
  if (isLogin(error))
    return named(
      `PostgreSQL (${where}) does not let ${spec?.user ?? "this user"} in: ${(error as Error).message}`,
      "LEGALONE_DATABASE_URL names the user, the password and the database",
    );
  if (!isUnreachable(error)) return error;
  return named(`PostgreSQL (${where}) cannot be reached: ${(error as Error).message}`, "legalone doctor");
}

export { Prisma };
