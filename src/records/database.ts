import { PrismaPg } from "@prisma/adapter-pg";
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
  return new PrismaClient({
    // A broken idle connection is replaced at the next query; without a listener it would end the process.
    adapter: new PrismaPg(
      { ...poolConfig(spec), max: connections, connectionTimeoutMillis: 5_000 },
      { onPoolError: () => {}, onConnectionError: () => {} },
    ),
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

/** True when the database could not be asked at all, so that trying again later makes sense. */
export function isUnreachable(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = (at as { code?: unknown }).code;
    if (
      typeof code === "string" &&
      (unreachableCodes.has(code) || /^(ECONN|ENOENT|EPIPE|57P0|08|53300)/.test(code))
    ) {
      return true;
    }
    if (/Connection terminated|Can't reach database|DatabaseNotReachable|connect E/.test(at.message))
      return true;
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
