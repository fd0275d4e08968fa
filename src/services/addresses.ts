import { basename, join } from "node:path";
import { type ConnectionSpec, parseDatabaseUrl, parseRedisUrl, type QueueSpec } from "../core/connections.ts";
import { checkOwnFolder } from "../core/own-folder.ts";
import { socketFolder, workspace } from "../core/paths.ts";

/** Folder of PostgreSQL's socket. Its own, since as root it belongs to another user. @throws E_FILE */
export function postgresSocketFolder(home: string): string {
  return join(ownSockets(home), "postgres");
}

/** Valkey's socket. @throws E_FILE */
export function valkeySocket(home: string): string {
  return join(ownSockets(home), "valkey.sock");
}

/** Nobody talks to what another user put in our folder's place. */
function ownSockets(home: string): string {
  const folder = socketFolder(home);
  checkOwnFolder(folder);
  return folder;
}

/** Where the database of this workspace is, whether it runs or not: LEGALONE_DATABASE_URL or the embedded one. */
export function databaseSpec(home = workspace()): ConnectionSpec {
  const url = process.env.LEGALONE_DATABASE_URL;
  if (url) return parseDatabaseUrl(url);
  return { host: postgresSocketFolder(home), port: 5432, user: "legalone", database: "legalone" };
}

/** Where the queue of this workspace is, whether it runs or not: LEGALONE_REDIS_URL or the embedded one. */
export function queueSpec(home = workspace()): QueueSpec {
  const url = process.env.LEGALONE_REDIS_URL;
  return url ? parseRedisUrl(url) : { path: valkeySocket(home) };
}

/**
 * Prefix of the names of this workspace's queues, for servers that several workspaces share. Machines that work
 * for one serve from different folders agree on LEGALONE_QUEUE_PREFIX.
 */
export function queuePrefix(home = workspace()): string {
  return process.env.LEGALONE_QUEUE_PREFIX ?? basename(socketFolder(home));
}
