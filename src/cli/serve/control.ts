import { buildHash } from "../../core/build.ts";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { modelsFolder } from "../../core/paths.ts";
import { defaultKeep } from "../../core/stale-steps.ts";
import type { Times } from "../../core/times.ts";
import type {
  ControlPort,
  EventBatch,
  ExitReport,
  Health,
  IngestReply,
  LaunchSpec,
  SyncReply,
  SyncRequest,
} from "../../dispatch/api/contract.ts";
import { farLaunch } from "../../dispatch/transfer/far-launch.ts";
import { type Database, databaseError, isRefused, sqlState } from "../../records/database.ts";
import { recordExit, recordVanished } from "../../records/exits.ts";
import { ingestEvents } from "../../records/ingest.ts";
import { readLaunch } from "../../records/launches.ts";
import { leaveNode, type NodeAttempt, syncNode } from "../../records/nodes.ts";
import { launchOf } from "../../workflow/launch.ts";
import type { Artifacts } from "./artifacts.ts";

/** Second agents that serve remembers having told of. */
const mostRefusals = 1000;

export interface ControlOptions {
  database: Database;
  times: Times;
  /** For agents of other machines; without it every agent counts as one of this workspace. */
  artifacts?: Artifacts;
  /** Looks at the rows soon. */
  wake(): void;
  log?: Log;
  queueHealthy(): boolean;
}

/** The control plane as agents see it: records beneath, and a call to the reconciler wherever something may follow. */
export class Control implements ControlPort {
  readonly #options: ControlOptions;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  async sync(node: string, { agent, attempts: held }: SyncRequest): Promise<SyncReply> {
    const { database, times, wake, artifacts } = this.#options;
    const { workspace, away = [], instance = null, predecessors = [] } = agent;
    const far = artifacts !== undefined && workspace !== undefined && workspace !== artifacts.workspace;
    const store = far ? "far" : "shared";
    return guarded(async () => {
      const report = { ...agent, instance, predecessors, info: { ...agent.info, store, away } };
      const synced = await syncNode(database, node, report, times.nodeSilence).catch((error: unknown) => {
        throw this.#refused(node, agent, error);
      });
      const { attempts, isNew, taken } = synced;
      if (taken) this.#noteTaken(node, agent, taken);
      const named = new Set(held.map(({ attempt, epoch }) => `${attempt} ${epoch}`));
      const isHeld = ({ id, epoch }: NodeAttempt) => named.has(`${id} ${epoch}`);
      const vanished = attempts.filter((attempt) => !isHeld(attempt) && this.#hasVanished(attempt));
      for (const { id, epoch } of vanished) {
        await recordVanished(database, id, epoch);
      }
      if (isNew || vanished.length > 0) wake();
      const fresh = attempts.filter(
        (attempt) => attempt.state === "DISPATCHING" && !attempt.exitedAt && !isHeld(attempt),
      );
      const launches = await Promise.all(fresh.map(({ id }) => this.#launch(id)));
      return {
        assignments: far ? launches.map((spec) => farLaunch(spec, modelsFolder())) : launches,
        stop: attempts
          .filter((attempt) => attempt.state === "STOPPING" && isHeld(attempt))
          .map(({ id }) => ({ attempt: id, graceSeconds: times.stop / 1000 })),
        known: attempts.filter(isHeld).map(({ id }) => id),
        intervalSeconds: times.sync / 1000,
        store,
        build: buildHash(),
      };
    });
  }

  /**
   * An agent names all it holds. One that should run and is not named is lost when it has not been heard of for a
   * while (a request may be older than the start it does not name); one that was to stop before it began, at once.
   */
  #hasVanished({ state, startedAt, exitedAt, silentMs, foreign }: NodeAttempt): boolean {
    // Its agent no longer holds the name of the node, and nobody else has its files.
    if (foreign) return !exitedAt;
    if (exitedAt || state === "DISPATCHING") return false;
    if (state === "STOPPING" && startedAt === null) return true;
    return silentMs > 2 * this.#options.times.sync + this.#options.times.heartbeat;
  }

  /** Says once of each second agent that it is refused. */
  readonly #refusals = new Set<string>();

  #refused(node: string, { instance = "", address, pid }: SyncRequest["agent"], error: unknown): unknown {
    if (!(error instanceof LegaloneError) || error.code !== "E_NODE_TAKEN") return error;
    if (this.#refusals.has(instance)) return error;
    if (this.#refusals.size >= mostRefusals) this.#refusals.clear();
    this.#refusals.add(instance);
    this.#options.log?.warn(`a second agent of node ${node} is refused: ${error.message}; ${error.hint}`, {
      refused: { host: address, pid, instance },
    });
    return error;
  }

  #noteTaken(
    node: string,
    { instance, address, pid }: SyncRequest["agent"],
    before: { instance: string; host: string },
  ): void {
    if (instance !== undefined) this.#refusals.delete(instance);
    this.#options.log?.info(`another agent holds the name of node ${node} now`, {
      holder: { host: address, pid, instance },
      before,
    });
  }

  async ingest(attempt: string, batch: EventBatch): Promise<IngestReply> {
    const { database, times, artifacts } = this.#options;
    const take = () => ingestEvents(database, attempt, batch, times);
    return guarded(async () => {
      if (artifacts === undefined) return take();
      const reply = await artifacts.housed(attempt, batch, take);
      const pruned = batch.lines.some(({ type }) => type === "checkpoint");
      if (pruned && reply.status === "accepted") await artifacts.dropPruned(attempt);
      return reply;
    });
  }

  async leave(node: string, instance: string): Promise<void> {
    await guarded(() => leaveNode(this.#options.database, node, instance));
  }

  async exit(attempt: string, exit: ExitReport): Promise<boolean> {
    return guarded(async () => {
      const taken = await recordExit(this.#options.database, attempt, exit);
      if (!taken) return false;
      this.#options.wake();
      await this.#options.artifacts?.forget(attempt);
      return true;
    });
  }

  async launch(attempt: string): Promise<LaunchSpec> {
    return guarded(() => this.#launch(attempt));
  }

  async #launch(attempt: string): Promise<LaunchSpec> {
    const { database, times } = this.#options;
    return launchOf(await readLaunch(database, attempt), times, defaultKeep);
  }

  doorbell(): void {
    this.#options.wake();
  }

  async health(): Promise<Health> {
    const database = await this.#options.database.$queryRaw`select 1`.then(
      () => true,
      () => false,
    );
    return {
      ok: database,
      build: buildHash(),
      pid: process.pid,
      database,
      queue: this.#options.queueHealthy(),
    };
  }
}

/**
 * A database that is away is E_DATABASE (503): agents keep what they have and come again. What it refuses is E_REFUSED
 * (422): they look for the line.
 */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isRefused(error))
      throw new LegaloneError(
        "E_REFUSED",
        `the records refuse it: ${sqlState(error).message.slice(0, 500)}`,
        {
          cause: error,
        },
      );
    const known = databaseError(error);
    throw known instanceof LegaloneError ? known : error;
  }
}
