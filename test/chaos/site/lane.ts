import pg from "pg";
import type { ConnectionSpec } from "../../../src/core/connections.ts";
import { isSameProcess, startTime } from "../../../src/core/start-time.ts";
import { poolConfig } from "../../../src/records/database.ts";
import { migrate } from "../../../src/records/migrate.ts";
import { valkeySocket } from "../../../src/services/addresses.ts";
import { postgresStatus, startPostgres } from "../../../src/services/postgres.ts";
import { startValkey, valkeyStatus } from "../../../src/services/valkey.ts";
import { type Servers, startServers } from "../../support/servers.ts";
import { childrenOf, signalAll } from "./processes.ts";

const template = "legalone";

/** A process by pid and start time: numbers of those that were killed are given to others. */
interface Running {
  pid: number;
  start: string;
}

function running(pid: number | undefined): Running | undefined {
  const start = pid === undefined ? undefined : startTime(pid);
  return pid === undefined || start === undefined ? undefined : { pid, start };
}

function still(one: Running | undefined): number[] {
  return one && isSameProcess(one.pid, one.start) ? [one.pid] : [];
}

/** One pair of servers: seeds run on it one after another, each on a database of its own. Restarted, never rebuilt. */
export class Lane {
  readonly servers: Servers;
  #postgres: Running | undefined;
  #valkey: Running | undefined;
  /** Stopped by SIGSTOP, to be continued. */
  #paused: number[] = [];

  private constructor(servers: Servers) {
    this.servers = servers;
  }

  static async open(): Promise<Lane> {
    const lane = new Lane(await startServers());
    await migrate(lane.servers.database);
    await lane.start();
    return lane;
  }

  get home(): string {
    return this.servers.home;
  }

  /** A new database with this version's tables. */
  async freshDatabase(name: string): Promise<ConnectionSpec> {
    await this.admin(`create database "${name}" template "${template}"`);
    return { ...this.servers.database, database: name };
  }

  async dropDatabase(name: string): Promise<void> {
    await this.admin(`drop database if exists "${name}" with (force)`);
  }

  databaseUrl(name: string): string {
    const { host, port, user } = this.servers.database;
    return `postgresql://${user}@localhost:${port}/${name}?host=${host}`;
  }

  queueUrl(): string {
    return valkeySocket(this.home);
  }

  async admin(statement: string): Promise<void> {
    const client = new pg.Client(poolConfig({ ...this.servers.database, database: "postgres" }));
    client.on("error", () => {});
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }

  /** Both run and answer when this returns, whatever was done to them. */
  async start(): Promise<void> {
    this.resume();
    await Promise.all([startPostgres(this.home), startValkey(this.home)]);
    this.#postgres = running((await postgresStatus(this.home)).pid) ?? this.#postgres;
    this.#valkey = running((await valkeyStatus(this.home)).pid) ?? this.#valkey;
  }

  killPostgres(): void {
    this.resume();
    signalAll(still(this.#postgres), "SIGKILL");
  }

  killValkey(): void {
    this.resume();
    signalAll(still(this.#valkey), "SIGKILL");
  }

  pausePostgres(): void {
    this.#pause(still(this.#postgres).flatMap((pid) => [pid, ...childrenOf(pid)]));
  }

  pauseValkey(): void {
    this.#pause(still(this.#valkey));
  }

  #pause(pids: number[]): void {
    this.#paused.push(...pids);
    signalAll(pids, "SIGSTOP");
  }

  resume(): void {
    signalAll(this.#paused.splice(0), "SIGCONT");
  }

  async close(): Promise<void> {
    this.resume();
    await this.servers.stop();
  }
}
