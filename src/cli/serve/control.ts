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
import { stepsOfForks } from "../../records/checkpoints.ts";
import { connectionsOf, type Database, databaseError, isDatabaseTrouble } from "../../records/database.ts";
import { recordExit, recordOwnExit } from "../../records/exits.ts";
import { ingestEvents } from "../../records/ingest.ts";
import { readLaunch } from "../../records/launches.ts";
import { type Holder, leaveNode, type NodeAttempt, syncNode } from "../../records/nodes.ts";
import { readQuarantine } from "../../records/quarantine.ts";
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
  /** By node: attempts its agent does not name though they should run, as of its last sync. */
  readonly #unnamed = new Map<string, { at: number; attempts: Map<string, Unnamed> }>();

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
      const sync = (silentSince?: Date) =>
        syncNode(database, node, report, times.nodeSilence, silentSince).catch((error: unknown) => {
          throw this.#refused(node, agent, error);
        });
      const synced = await sync().catch((error: unknown) => {
        const silentSince = this.#holderSilentSince(node, error);
        if (silentSince === undefined) throw error;
        return sync(silentSince);
      });
      this.#holders.delete(node);
      const { attempts, isNew, taken } = synced;
      if (taken) this.#noteTaken(node, agent, taken);
      const named = new Set(held.map(({ attempt, epoch }) => `${attempt} ${epoch}`));
      const isHeld = ({ id, epoch }: NodeAttempt) => named.has(`${id} ${epoch}`);
      const vanished = this.#vanished(node, attempts, isHeld);
      for (const { id, epoch } of vanished) {
        await recordOwnExit(database, id, { epoch, code: null, signal: null, lost: true });
      }
      if (isNew || vanished.length > 0) wake();
      const fresh = attempts.filter(
        (attempt) => attempt.state === "DISPATCHING" && !attempt.exitedAt && !isHeld(attempt),
      );
      const launches = (await Promise.all(fresh.map((attempt) => this.#launchOrEnd(attempt)))).flat();
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
   * An agent names all it holds. One that should run and is not named is lost when it was not named for a while, and no
   * line of it came either (a request may be older than the start it does not name); one that was to stop before it began,
   * at once. The while is counted here, from sync to sync: no clock of another machine says that something is lost.
   */
  #vanished(
    node: string,
    attempts: readonly NodeAttempt[],
    isHeld: (attempt: NodeAttempt) => boolean,
  ): NodeAttempt[] {
    const { sync, heartbeat } = this.#options.times;
    const now = performance.now();
    const before = this.#unnamed.get(node);
    const unnamed = new Map<string, Unnamed>();
    const vanished: NodeAttempt[] = [];
    for (const attempt of attempts) {
      const { id, state, startedAt, exitedAt, heartbeatAt, foreign } = attempt;
      // Its agent no longer holds the name of the node, and nobody else has its files.
      if (foreign && !exitedAt) vanished.push(attempt);
      if (foreign || isHeld(attempt) || exitedAt || state === "DISPATCHING") continue;
      const line = heartbeatAt?.getTime() ?? null;
      const known = before?.attempts.get(id);
      // Between two syncs that are far apart nobody asked.
      const passed = before ? Math.min(now - before.at, 2 * sync) : 0;
      const forMs = known?.line === line ? known.forMs + passed : 0;
      unnamed.set(id, { line, forMs });
      const neverBegan = state === "STOPPING" && startedAt === null;
      if (neverBegan || forMs > 2 * sync + heartbeat) vanished.push(attempt);
    }
    this.#unnamed.set(node, { at: now, attempts: unnamed });
    return vanished;
  }

  /** By node whose name another agent asks for: the last sign of life of its holder, and for how long none came after it. */
  readonly #holders = new Map<string, { at: number; sign: number; forMs: number }>();

  /**
   * The last sign of life of the holder of a node's name, when it has been silent for long enough since. The while is
   * counted here, from one request for its name to the next: who slept with serve, or had no network with all others, was
   * not silent.
   */
  #holderSilentSince(node: string, error: unknown): Date | undefined {
    if (!(error instanceof LegaloneError) || error.code !== "E_NODE_TAKEN") return undefined;
    const { heartbeatAt } = error.fields.holder as Holder;
    if (heartbeatAt === null) return undefined;
    const { sync, nodeSilence } = this.#options.times;
    const now = performance.now();
    const before = this.#holders.get(node);
    const passed = before ? Math.min(now - before.at, 2 * sync) : 0;
    const forMs = before?.sign === heartbeatAt.getTime() ? before.forMs + passed : 0;
    this.#holders.set(node, { at: now, sign: heartbeatAt.getTime(), forMs });
    return forMs >= nodeSilence ? heartbeatAt : undefined;
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
      if (!pruned || reply.status !== "accepted") return reply;
      await artifacts.dropPruned(attempt);
      return { ...reply, keep: await stepsOfForks(database, attempt) };
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

  /** One attempt that cannot be launched keeps no other from its start: it ends with the error. */
  async #launchOrEnd({ id, epoch }: NodeAttempt): Promise<LaunchSpec[]> {
    try {
      return [await this.#launch(id)];
    } catch (error) {
      if (isDatabaseTrouble(error)) throw error;
      // It has ended meanwhile.
      if (error instanceof LegaloneError && error.code === "E_NOT_FOUND") return [];
      const message = `its job could not be made: ${error instanceof Error ? error.message : String(error)}`;
      const exit = { epoch, code: null, signal: null, lost: false, reason: "crashed", message };
      await recordOwnExit(this.#options.database, id, exit);
      this.#options.wake();
      return [];
    }
  }

  doorbell(): void {
    this.#options.wake();
  }

  async health(): Promise<Health> {
    const { database, queueHealthy } = this.#options;
    const quarantined = await readQuarantine(database).catch(() => undefined);
    return {
      ok: quarantined !== undefined,
      build: buildHash(),
      pid: process.pid,
      database: quarantined !== undefined,
      queue: queueHealthy(),
      connections: connectionsOf(database) ?? null,
      quarantined: (quarantined ?? []).map(({ since, retryAt, ...one }) => ({
        ...one,
        since: since.toISOString(),
        retryAt: retryAt.toISOString(),
      })),
    };
  }
}

/** An attempt that its agent does not name: its last line, and for how long it was not named since. */
interface Unnamed {
  line: number | null;
  forMs: number;
}

/**
 * A database that is away is E_DATABASE (503): agents keep what they have and come again. What it refuses is E_REFUSED
 * (422): they look for the line.
 */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = databaseError(error);
    throw known instanceof LegaloneError ? known : error;
  }
}
