import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { artifactUri, isHash, lookFor } from "../../core/places.ts";
import { setAside } from "../../core/removal.ts";
import { warning } from "../../worker/protocol.ts";
import type { ExitReport, HeldAttempt, LaunchSpec, SyncReply, SyncRequest } from "../api/contract.ts";
import { AttemptFolder } from "../attempt-folder.ts";
import { type Doorbell, nodeQueue } from "../doorbell/doorbell.ts";
import { type Engine, EngineAway, type Launch } from "../engine.ts";
import { damageOf } from "../transfer/verified.ts";
import { AttemptReporter } from "./attempt-reporter.ts";
import { broughtWhileAlive } from "./far/bringing.ts";
import type { FarStore } from "./far/far-store.ts";
import type { InstanceNote } from "./instance-note.ts";
import { NodeTaken, ServeAway, type ServeClient } from "./serve-client.ts";
import { Wake } from "./wake.ts";

interface Input {
  kind: string;
  stage: string | null;
  sha256?: string | null;
}

/** While serve is away it is asked this often; it may come back under another address at any time. */
const awayMs = 200;

export interface AgentOptions {
  /** Name of this node. */
  node: string;
  /** Folder of the workspace. */
  home: string;
  engines: Engine[];
  client: ServeClient;
  doorbell: Doorbell;
  /** This process among the agents of the node and the folder; the client sends its name. */
  note?: InstanceNote;
  /** What every sync tells of this node, besides its engines. */
  facts: () => Omit<SyncRequest["agent"], "engines" | "away" | "predecessors">;
  launchOf: (spec: LaunchSpec) => Launch;
  /** For a serve that turns out to have another folder. */
  farStore?: FarStore;
  log: Log;
  /** Milliseconds from one sync to the next while no bell is heard. */
  syncMs: number;
}

/** An attempt of an agent before this one. */
interface Found {
  engine: Engine;
  held: HeldAttempt;
}

/**
 * The hands of a node: asks serve what is to run here, starts and stops it, and reports it. It decides nothing.
 * Workers do not need it: it may end and come back at any time. It holds attempts only while serve says that it has the
 * node's name: a second agent of one name waits, and touches nothing.
 */
export class Agent {
  private readonly reporters = new Map<string, AttemptReporter>();
  private readonly runs = new Set<Promise<void>>();
  private readonly wake = new Wake();
  private readonly options: AgentOptions;
  private readonly starting = new Map<string, AbortController>();
  private leaving = false;
  /** Serve has taken a sync of this instance, and refused none since. */
  private holdsName = false;
  private refusedFor: string | null | undefined;
  /** Where outputs go; undefined while serve shares this folder, null until it has said so. */
  private far: FarStore | undefined | null;
  private servedBy = "";

  constructor(options: AgentOptions) {
    this.options = options;
    this.far = options.farStore === undefined ? undefined : null;
  }

  /** Resolves after leave(). */
  async run(): Promise<void> {
    const { doorbell, node, syncMs, client, log } = this.options;
    doorbell.listen(nodeQueue(node), async () => this.wake.call(), { everyMs: syncMs });
    let away: ServeAway["how"] | undefined;
    while (!this.leaving) {
      let waitMs = syncMs;
      try {
        waitMs = Math.min(syncMs, await this.sync());
        if (away !== undefined) log.info("serve is back");
        if (away !== undefined) for (const reporter of this.reporters.values()) reporter.tryNow();
        away = undefined;
      } catch (error) {
        if (error instanceof NodeTaken) {
          await this.waitForName(error);
          continue;
        }
        const before = away;
        away = error instanceof ServeAway ? error.how : undefined;
        const told = { error: away === undefined ? error : (error as Error).message };
        if (away === "refused" && before !== away) log.error("serve refuses this agent's token", told);
        else if (away === undefined || !before) log.warn("no sync with serve; workers go on", told);
        waitMs = Math.min(syncMs, awayMs);
      }
      if (!this.leaving) await this.wake.sleep(waitMs);
    }
    for (const start of this.starting.values()) start.abort();
    for (const reporter of this.reporters.values()) reporter.leave();
    await Promise.all(this.runs);
    // Given back, so that the next need not wait for a silence; serve that is away finds out by itself.
    if (this.holdsName) await client.leave(node).catch(() => {});
    await doorbell.close();
  }

  /** Ends run() soon. Workers go on. */
  leave(): void {
    this.leaving = true;
    this.wake.call();
  }

  /** Attempts held now. */
  held(): string[] {
    return [...this.reporters.keys()];
  }

  /** Asks every worker here to stop; for the end of a throw-away workspace and `down --workers`. */
  async stopWorkers(graceSeconds: number): Promise<void> {
    for (const engine of this.options.engines)
      for (const attempt of await engine.adopt()) await engine.stop(attempt, graceSeconds);
  }

  /** One exchange with serve. Returns the milliseconds until it wants the next. */
  private async sync(): Promise<number> {
    const { client, node, facts, note, home } = this.options;
    // What ran there is not lost for it, and nothing begins anew in an empty place.
    if (note?.isThere() === false)
      throw new LegaloneError("E_NODE", `${home} is not the folder this agent began in`, {
        hint: "Its disk may be away; where it was removed, start the agent again.",
      });
    // Found before serve has said whose the name is, and touched after.
    const found = this.holdsName ? [] : await this.find();
    const held = [...this.reporters.values()].map((reporter) => reporter.held());
    const named = [...held, ...found.map(({ held: one }) => one)];
    const predecessors = this.holdsName ? undefined : note?.predecessors();
    const agent = { ...facts(), ...this.engineFacts(), ...(predecessors ? { predecessors } : {}) };
    const reply = await client.sync(node, { agent, attempts: named });
    this.nameGained(found);
    this.learn(reply);
    const known = new Set(reply.known);
    for (const { attempt } of named) if (!known.has(attempt)) await this.reporters.get(attempt)?.abandon();
    for (const { attempt, graceSeconds } of reply.stop)
      await this.reporters.get(attempt)?.askToStop(graceSeconds);
    const begun = Promise.all(reply.assignments.map((spec) => this.begin(spec)));
    // Inputs from another machine may take hours.
    if (!this.far) await begun;
    return reply.intervalSeconds * 1000;
  }

  /** Open attempts of this node in the folder, which an agent before this one began. */
  private async find(): Promise<Found[]> {
    const found: Found[] = [];
    for (const engine of this.options.engines) {
      for (const attempt of await engine.adopt()) {
        const epoch = new AttemptFolder(join(this.options.home, "attempts"), attempt).job()?.epoch;
        if (epoch === undefined || this.reporters.has(attempt)) continue;
        found.push({ engine, held: { attempt, epoch, state: "running" } });
      }
    }
    return found;
  }

  private nameGained(found: Found[]): void {
    const { log, node } = this.options;
    if (this.holdsName) return;
    this.holdsName = true;
    if (this.refusedFor !== undefined) log.info(`the name of node ${node} is this agent's now`);
    this.refusedFor = undefined;
    for (const { engine, held } of found) this.hold(held.attempt, held.epoch, engine);
    if (found.length > 0) log.info("adopted", { attempts: found.map(({ held }) => held.attempt) });
  }

  /** Another instance holds the name: what ran here as that node's ends, unless the other has the same processes. */
  private async waitForName({ message, holder }: NodeTaken): Promise<void> {
    const { log, note, node, syncMs } = this.options;
    const other = holder?.instance ?? null;
    if (this.refusedFor !== other)
      log.error(
        `${message}: this agent starts nothing and goes on when that one is gone. Give each agent a name of its own (--node or LEGALONE_NODE), or stop the other`,
        { node, holder },
      );
    this.refusedFor = other;
    if (this.holdsName) {
      this.holdsName = false;
      for (const start of this.starting.values()) start.abort();
      const shared = note?.sharesWorkers(other) ?? false;
      for (const reporter of this.reporters.values())
        if (shared) reporter.leave();
        else await reporter.abandon();
    }
    if (!this.leaving) await this.wake.sleep(syncMs);
  }

  private engineFacts(): Pick<SyncRequest["agent"], "engines" | "away"> {
    const states = this.options.engines.map((engine) => {
      return { name: engine.name, ...(engine.state?.() ?? { is: "here" as const }) };
    });
    return {
      engines: states.filter(({ is }) => is === "here").map(({ name }) => name),
      away: states.flatMap((one) =>
        one.is === "away" ? { engine: one.name, since: one.since, why: one.why } : [],
      ),
    };
  }

  /** Whether serve has the same folder, and whether it is the same program. */
  private learn({ store, build }: SyncReply): void {
    const { farStore, facts, log } = this.options;
    const far = store === "far" ? farStore : undefined;
    if (far !== undefined && far !== this.far) log.info("serve has another folder: artifacts go over HTTP");
    this.far = far;
    if (build === undefined || build === this.servedBy) return;
    this.servedBy = build;
    const own = facts().build;
    if (build !== own)
      log.warn("serve runs another build than this agent; stages may differ", { own, serve: build });
  }

  private async begin(spec: LaunchSpec): Promise<void> {
    if (this.reporters.has(spec.attempt) || this.starting.has(spec.attempt)) return;
    const { client, syncMs, log } = this.options;
    const far = this.far;
    if (!far) return this.start(spec);
    const cancel = new AbortController();
    this.starting.set(spec.attempt, cancel);
    try {
      const brought = await broughtWhileAlive(spec, { far, client, everyMs: syncMs, cancel, log });
      await this.start(brought);
    } catch (error) {
      // Serve is away or has taken the attempt back: while it wants it started, it assigns it again.
      // An abort that is not its own is that of another attempt, which fetched the same input for both.
      if (cancel.signal.aborted || error instanceof ServeAway || (error as Error).name === "AbortError")
        log.info("an attempt is not started yet", { attempt: spec.attempt, error });
      else {
        log.error("inputs of an attempt could not be brought", { attempt: spec.attempt, error });
        await this.reportFailedStart(spec, error).catch(() => {});
      }
    } finally {
      this.starting.delete(spec.attempt);
    }
  }

  private async start(spec: LaunchSpec): Promise<void> {
    const { engines, launchOf, log } = this.options;
    try {
      await this.refuseUnsound(spec);
      const engine = engines.find(({ name }) => name === spec.engine);
      if (engine === undefined || engine.state?.().is === "absent")
        throw new LegaloneError(
          "E_NODE",
          `this node has no engine ${spec.engine}, only ${this.engineFacts().engines.join(", ")}`,
        );
      await engine.start(launchOf(spec));
      log.info("started", { attempt: spec.attempt, kind: spec.kind });
      this.hold(spec.attempt, spec.epoch, engine);
    } catch (error) {
      if (error instanceof EngineAway) {
        // While serve wants it started, it assigns it again.
        log.warn("an attempt is not started yet", { attempt: spec.attempt, error: error.message });
        return;
      }
      log.error("an attempt could not be started", { attempt: spec.attempt, error });
      await this.reportFailedStart(spec, error);
    }
  }

  /**
   * No worker gets an input that is not what was committed: one that is damaged is told to serve, which gives it up so that
   * the next resume makes it again, and ends the attempt. While files are hashed serve hears that the attempt is here.
   */
  private async refuseUnsound(spec: LaunchSpec): Promise<void> {
    const { client, home, syncMs } = this.options;
    const { inputs = [] } = spec.job as { inputs?: Input[] };
    const alive = { epoch: spec.epoch, offset: 0, bytes: 0, lines: [] };
    const timer = setInterval(() => void client.events(spec.attempt, alive).catch(() => {}), syncMs);
    try {
      for (const { kind, stage, sha256 } of inputs) {
        if (stage === null || !isHash(sha256)) continue;
        // What cannot be looked for here is no damage: its worker says what it finds.
        const seen = lookFor(home, artifactUri(sha256));
        if (seen === "unknown") continue;
        const unsound = (why: string) =>
          Object.assign(new Error(`the input ${kind} of ${stage} is ${why}`), { reason: "data_error" });
        if (seen === "missing")
          throw unsound(`not there: ${sha256}; legalone resume takes it, or makes it again`);
        const [damage] = await damageOf(home, { sha256 }, sha256);
        if (damage === undefined) continue;
        const error = unsound(`damaged: ${damage.file}: ${damage.what}; legalone resume makes it again`);
        const told = { ...warning("input_damaged", error.message), input: sha256 };
        await client.events(spec.attempt, { ...alive, lines: [told] });
        // Its place is for what the stage makes again.
        setAside(home, { sha256 });
        throw error;
      }
    } finally {
      clearInterval(timer);
    }
  }

  private async reportFailedStart(spec: LaunchSpec, error: unknown): Promise<void> {
    const full = (error as NodeJS.ErrnoException).code === "ENOSPC";
    const known = (error as { reason?: string }).reason;
    const report: ExitReport = {
      epoch: spec.epoch,
      code: null,
      signal: null,
      lost: false,
      at: new Date().toISOString(),
      reason: known ?? (full ? "disk_full" : "dispatch_failed"),
      message: error instanceof Error ? error.message : String(error),
    };
    // When serve is away it will assign the attempt again.
    await this.options.client.exit(spec.attempt, report);
  }

  private hold(attempt: string, epoch: number, engine: Engine): void {
    const { home, client, log } = this.options;
    const folder = join(home, "attempts", attempt);
    const reporter = new AttemptReporter({
      attempt,
      epoch,
      folder,
      home,
      engine,
      client,
      log,
      far: () => {
        if (this.far === null) throw new ServeAway("serve has not said yet where its folder is");
        return this.far;
      },
      aliveMs: this.options.syncMs,
      onTaken: () => this.wake.call(),
    });
    this.reporters.set(attempt, reporter);
    const run = reporter.run().then(() => {
      this.reporters.delete(attempt);
      this.runs.delete(run);
      // A slot is free: serve may have the next attempt ready. Where bells are heard, one says so.
      if (!this.options.doorbell.healthy()) this.wake.call();
    });
    this.runs.add(run);
  }
}
