import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { type ConnectionSpec, parseDatabaseUrl } from "../core/connections.ts";
import { LegaloneError } from "../core/errors.ts";
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

/** Opens the records. Connects on first use; end with `$disconnect()`. */
export function openDatabase(spec: ConnectionSpec, connections = 6): Database {
  const pool = new pg.Pool({ ...poolConfig(spec), max: connections, connectionTimeoutMillis: 5_000 });
  // A broken connection is replaced at the next query. Without a listener its error would end the process; the pool has
  // one only while a connection is idle, and one may break in the moment it is handed over.
  pool.on("connect", (client) => client.on("error", () => {}));
  return new PrismaClient({
    adapter: new PrismaPg(pool, { disposeExternalPool: true, onPoolError: () => {} }),
    transactionOptions: { timeout: 15_000, maxWait: 10_000 },
  });
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

const unreachableCodes = new Set(["P1001", "P1002", "P1008", "P1011", "P1017", "P2024", "P2028"]);

/** What pg and Prisma say of connections that broke before or between queries; no code goes with it. */
const awayWords =
  /Connection terminated|not queryable|Can't reach database|DatabaseNotReachable|connect E|timeout exceeded when trying/;

interface Told {
  code?: unknown;
  message?: string;
  cause?: Told;
}

/** True when the database could not be asked at all, so that trying again later makes sense. */
export function isUnreachable(error: unknown): boolean {
  // Of an error in COMMIT, Prisma's adapter hands on a plain object as the cause.
  for (let at = error as Told | null | undefined; typeof at === "object" && at; at = at.cause) {
    const { code, message = "" } = at;
    if (
      typeof code === "string" &&
      (unreachableCodes.has(code) || /^(ECONN|ENOENT|EPIPE|57P0|08|53300)/.test(code))
    ) {
      return true;
    }
    if (awayWords.test(message)) return true;
    // Raw errors of the server carry their SQLSTATE in the text alone: it starts, shuts down, or has no room for one more.
    if (/Code: `(?:57P0|08|53300)/.test(message)) return true;
  }
  return false;
}

/** Turns a failure to reach the database into E_DATABASE; hands back everything else as it is. */
export function databaseError(error: unknown, spec?: ConnectionSpec): unknown {
  if (!isUnreachable(error)) return error;
  const where = spec ? `${spec.database} at ${spec.host}:${spec.port}` : "the database";
  return new LegaloneError(
    "E_DATABASE",
    `PostgreSQL (${where}) cannot be reached: ${(error as Error).message}`,
    {
      hint: "legalone doctor",
      cause: error,
    },
  );
}

export { Prisma };
