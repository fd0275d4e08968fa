import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { LegaloneError } from "../../core/errors.ts";
import { databaseSpec, queueSpec } from "../../services/addresses.ts";
import { postgresStatus } from "../../services/postgres.ts";
import { postgresBinaries, probePostgres } from "../../services/postgres-binaries.ts";
import { serviceUser } from "../../services/unprivileged.ts";
import { valkeyStatus } from "../../services/valkey.ts";
import { valkeyBinary } from "../../services/valkey-binary.ts";
import { type Check, fail, ok, unreachable } from "./check.ts";

/** The oldest release that the records' SQL was tried on. */
const oldestPostgres = 15;

/** PostgreSQL and Valkey: the embedded binaries, or the servers that the environment names. */
export async function storeChecks(home: string): Promise<Check[]> {
  return (await Promise.all([database(home), queue(home)])).flat();
}

async function database(home: string): Promise<Check[]> {
  const { state } = await postgresStatus(home);
  const checks: Check[] = [];
  if (state !== "external") {
    const user = serviceUser();
    const as = user === undefined ? "" : `, runs as user ${user.uid}`;
    checks.push(await named("postgres", async () => `${probePostgres(postgresBinaries(user), user)}${as}`));
  }
  if (state === "stopped") checks.push(ok("database", "does not run; `legalone up` starts it"));
  else checks.push(await databaseAnswers(home));
  return checks;
}

async function databaseAnswers(home: string): Promise<Check> {
  const { databaseError, openDatabase } = await import("../../records/database.ts");
  const spec = databaseSpec(home);
  const records = openDatabase(spec, 1);
  try {
    const [row] = await records.$queryRaw<{ server_version: string }[]>`show server_version`;
    const version = row?.server_version ?? "";
    if (Number.parseInt(version, 10) >= oldestPostgres)
      return ok("database", `PostgreSQL ${version} answers`);
    return unreachable(
      "database",
      `PostgreSQL ${version}, expected ${oldestPostgres} or newer`,
      "Use a newer server.",
    );
  } catch (error) {
    const fix = "Check LEGALONE_DATABASE_URL and that server.";
    return unreachable("database", messageOf(databaseError(error, spec)), fix);
  } finally {
    await records.$disconnect();
  }
}

async function queue(home: string): Promise<Check[]> {
  const { state } = await valkeyStatus(home);
  const checks: Check[] = [];
  if (state !== "external") checks.push(await named("valkey", valkeyVersion));
  if (state === "stopped") checks.push(ok("queue", "does not run; `legalone up` starts it"));
  else checks.push(await queueAnswers(home));
  return checks;
}

async function queueAnswers(home: string): Promise<Check> {
  const { checkQueue } = await import("../../dispatch/doorbell/bullmq-doorbell.ts");
  try {
    await checkQueue(queueSpec(home));
    return ok("queue", "answers, noeviction");
  } catch (error) {
    const hint = error instanceof LegaloneError ? error.hint : undefined;
    return unreachable("queue", messageOf(error), hint ?? "Check LEGALONE_REDIS_URL and that server.");
  }
}

async function valkeyVersion(): Promise<string> {
  const { stdout } = await promisify(execFile)(valkeyBinary(), ["--version"]);
  return /v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim();
}

/** What `look` tells; an error becomes a line with its hint. */
async function named(name: string, look: () => Promise<string>): Promise<Check> {
  try {
    return ok(name, await look());
  } catch (error) {
    const hint = error instanceof LegaloneError ? error.hint : undefined;
    return fail(name, messageOf(error), hint ?? "Run `npm run setup`.");
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
