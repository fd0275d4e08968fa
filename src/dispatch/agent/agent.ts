import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { ExitReport, LaunchSpec, SyncReply, SyncRequest } from "../api/contract.ts";
import { AttemptFolder } from "../attempt-folder.ts";
import { type Doorbell, nodeQueue } from "../doorbell/doorbell.ts";
import type { Engine, Launch } from "../engine.ts";
import { AttemptReporter } from "./attempt-reporter.ts";
import { broughtWhileAlive } from "./far/bringing.ts";
import type { FarStore } from "./far/far-store.ts";
import { ServeAway, type ServeClient } from "./serve-client.ts";
import { Wake } from "./wake.ts";

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
  /** What every sync tells of this node. */
  facts: () => SyncRequest["agent"];
  launchOf: (spec: LaunchSpec) => Launch;
  /** For a serve that turns out to have another folder. */
  farStore?: FarStore;
  log: Log;
  /** Milliseconds from one sync to the next while no bell is heard. */
  syncMs: number;
}

/**
 * The hands of a node: asks serve what is to run here, starts and stops it, and reports it. It decides nothing.
 * Workers do not need it: it may end and come back at any time.
 */
export class Agent {
  private readonly reporters = new Map<string, AttemptReporter>();
  private readonly runs = new Set<Promise<void>>();
  private readonly wake = new Wake();
  private readonly options: AgentOptions;
  private readonly starting = new Map<string, AbortController>();
  private leaving = false;
  /** Where outputs go; undefined while serve shares this folder, null until it has said so. */
  private far: FarStore | undefined | null;
  private servedBy = "";

  constructor(options: AgentOptions) {
    this.options = options;
    this.far = options.farStore === undefined ? undefined : null;
  }

  /** Resolves after leave(). */
  async run(): Promise<void> {
    const { doorbell, node, syncMs, engines, log } = this.options;
    for (const engine of engines) for (const attempt of await engine.adopt()) this.adopt(attempt, engine);
    if (this.reporters.size > 0) log.info("adopted", { attempts: [...this.reporters.keys()] });
    doorbell.listen(nodeQueue(node), async () => this.wake.call(), { everyMs: syncMs });
    let away = false;
    while (!this.leaving) {
      let waitMs = syncMs;
      try {
        waitMs = Math.min(syncMs, await this.sync());
        if (away) log.info("serve is back");
        away = false;
      } catch (error) {
        const gone = error instanceof ServeAway;
        if (!away) log.warn("no sync with serve; workers go on", { error: gone ? error.message : error });
        away = gone;
        waitMs = Math.min(syncMs, awayMs);
      }
      if (!this.leaving) await this.wake.sleep(waitMs);
    }
    for (const start of this.starting.values()) start.abort();
    for (const reporter of this.reporters.values()) reporter.leave();
    await Promise.all(this.runs);
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
    const { client, node, facts } = this.options;
    const named = [...this.reporters.values()].map((reporter) => reporter.held());
    const reply = await client.sync(node, { agent: facts(), attempts: named });
    this.learn(reply);
    const known = new Set(reply.known);
    for (const { attempt } of named) if (!known.has(attempt)) await this.reporters.get(attempt)?.abandon();
    for (const { attempt, graceSeconds } of reply.stop)
      await this.engineOf(attempt)?.stop(attempt, graceSeconds);
    const begun = Promise.all(reply.assignments.map((spec) => this.begin(spec)));
    // Inputs from another machine may take hours.
    if (!this.far) await begun;
    return reply.intervalSeconds * 1000;
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
      const engine = engines.find(({ name }) => name === spec.engine);
      if (engine === undefined)
        throw new LegaloneError(
          "E_NODE",
          `this node has no engine ${spec.engine}, only ${engines.map((e) => e.name).join(", ")}`,
        );
      await engine.start(launchOf(spec));
      log.info("started", { attempt: spec.attempt, kind: spec.kind });
      this.hold(spec.attempt, spec.epoch, engine);
    } catch (error) {
      log.error("an attempt could not be started", { attempt: spec.attempt, error });
      await this.reportFailedStart(spec, error);
    }
  }

  private async reportFailedStart(spec: LaunchSpec, error: unknown): Promise<void> {
    const full = (error as NodeJS.ErrnoException).code === "ENOSPC";
    const report: ExitReport = {
      epoch: spec.epoch,
      code: null,
      signal: null,
      lost: false,
      at: new Date().toISOString(),
      reason: full ? "disk_full" : "dispatch_failed",
      message: error instanceof Error ? error.message : String(error),
    };
    // When serve is away it will assign the attempt again.
    await this.options.client.exit(spec.attempt, report);
  }

  private adopt(attempt: string, engine: Engine): void {
    const epoch = new AttemptFolder(join(this.options.home, "attempts"), attempt).job()?.epoch;
    if (epoch !== undefined && !this.reporters.has(attempt)) this.hold(attempt, epoch, engine);
  }

  private readonly engineNames = new Map<string, Engine>();

  private engineOf(attempt: string): Engine | undefined {
    return this.engineNames.get(attempt);
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
    });
    this.reporters.set(attempt, reporter);
    this.engineNames.set(attempt, engine);
    const run = reporter.run().then(() => {
      this.reporters.delete(attempt);
      this.engineNames.delete(attempt);
      this.runs.delete(run);
      // A slot is free: serve may have the next attempt ready. Where bells are heard, one says so.
      if (!this.options.doorbell.healthy()) this.wake.call();
    });
    this.runs.add(run);
  }
}
