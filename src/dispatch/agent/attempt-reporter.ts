import { type FSWatcher, watch } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../core/log.ts";
import { namedVariables, variableHider } from "../../core/variables.ts";
import type { EventLine, ExitReport, HeldAttempt } from "../api/contract.ts";
import { AttemptFolder } from "../attempt-folder.ts";
import { type Engine, EngineAway, type Exit, type Observation } from "../engine.ts";
import { type CheckpointLine, Claims, type Keeping, keepingOf } from "./claims.ts";
import {
  asItIs,
  type Batch,
  before,
  eventsOf,
  halvesOf,
  newestProgress,
  piecesOf,
  readBatch,
  refusedLine,
} from "./event-tail.ts";
import { Stale } from "./far/artifact-client.ts";
import type { FarStore } from "./far/far-store.ts";
import { settle } from "./outputs.ts";
import { NodeTaken, ServeAway, type ServeClient, ServeRefuses } from "./serve-client.ts";
import { Wake } from "./wake.ts";

/** Where file notices do not come (some network file systems), changes are seen this late. */
const pollMs = 500;
const firstRetryMs = 100;
const lastRetryMs = 3000;
/** A worker whose epoch is over can commit nothing: it need not be given long. */
const staleGraceSeconds = 5;

export interface ReporterOptions {
  attempt: string;
  epoch: number;
  /** The attempt's folder. */
  folder: string;
  /** Folder of the workspace. */
  home: string;
  engine: Engine;
  client: ServeClient;
  log: Log;
  /** Where outputs go when serve has another folder; undefined when they stay here. */
  far: () => FarStore | undefined;
  /** While an output is on its way, or the engine is away, serve hears at least this often that the attempt lives. */
  aliveMs: number;
  /** Another instance holds the name of the node. */
  onTaken?: () => void;
}

/**
 * Reports one attempt from its first line to its exit. What is not acknowledged is sent again, so it may begin
 * anew at any time: after a restart serve tells how far it has read.
 */
export class AttemptReporter {
  state: HeldAttempt["state"] = "running";
  private acknowledged = 0;
  /** Up to here lines were sent, or about to be, and may be in the records. */
  private unanswered = 0;
  /** Where lines begin that serve refused: what it has in their place is a warning. */
  private readonly aside = new Set<number>();
  private starts: readonly number[] = [];
  private retryMs = firstRetryMs;
  private stale = false;
  /** Takes the values of the variables that the job names from a text: no program that a worker runs tells them to serve. */
  private hide = asItIs;
  private keeping: Keeping | undefined;
  private left = false;
  /** By the clock of this process, which nobody sets. */
  private heardAt = 0;
  /** How long it has after the TERM that an engine was away for. */
  private graceOwed: number | undefined;
  private desired: "RUN" | "STOP" = "RUN";
  private readonly sending = new AbortController();
  private readonly wake = new Wake();
  private readonly options: ReporterOptions;
  private readonly files: AttemptFolder;

  constructor(options: ReporterOptions) {
    this.options = options;
    this.files = new AttemptFolder(dirname(options.folder), options.attempt);
  }

  /** For the agent's sync. */
  held(): HeldAttempt {
    return { attempt: this.options.attempt, epoch: this.options.epoch, state: this.state };
  }

  /** Ends run() soon and leaves the worker as it is. */
  leave(): void {
    this.left = true;
    this.sending.abort();
    this.wake.call();
  }

  /** Serve answers again: no pause is waited for. */
  tryNow(): void {
    this.retryMs = firstRetryMs;
    this.wake.call();
  }

  /** Serve no longer counts on this attempt: its worker is stopped, and nothing more is reported. */
  async abandon(): Promise<void> {
    if (this.stale) return;
    this.stale = true;
    this.sending.abort();
    const { attempt, log } = this.options;
    log.warn("stale attempt, its worker is stopped", { attempt });
    await this.askToStop(staleGraceSeconds);
    this.wake.call();
  }

  /** Stops the worker; where its engine is away, as soon as that is back. */
  async askToStop(graceSeconds: number): Promise<void> {
    const { engine, attempt } = this.options;
    try {
      await engine.stop(attempt, graceSeconds);
      this.graceOwed = undefined;
    } catch (error) {
      if (!(error instanceof EngineAway)) throw error;
      this.graceOwed = graceSeconds;
    }
  }

  /** Resolves when the attempt's end is recorded, or after leave(). */
  async run(): Promise<void> {
    // Once, before the worker may have written over it.
    const job = this.files.read("job.json");
    this.keeping = keepingOf(job);
    this.hide = job === undefined ? asItIs : variableHider(namedVariables(job).map(({ name }) => name));
    const watcher = this.watch();
    try {
      while (!this.left) {
        if (await this.round()) return;
        await this.wake.sleep(this.retryMs > firstRetryMs ? this.retryMs : pollMs);
      }
    } finally {
      watcher?.close();
    }
  }

  /** One look: new lines first, then the exit. True when there is nothing left to do. */
  private async round(): Promise<boolean> {
    const { engine, attempt, log, onTaken } = this.options;
    try {
      if (this.graceOwed !== undefined) await this.askToStop(this.graceOwed);
      // In this order: what was written before the end is read after the end was seen.
      const seen = await this.look();
      if (seen === undefined) {
        await this.pushLines(false);
        await this.sayAlive();
        this.retryMs = firstRetryMs;
        return false;
      }
      this.state = seen.state;
      const over = seen.state !== "running";
      await this.pushLines(over);
      if (over && (this.stale || (await this.reportExit(seen)))) {
        await engine.forget(attempt);
        return true;
      }
      this.retryMs = firstRetryMs;
    } catch (error) {
      if (error instanceof Stale) await this.abandon();
      else if (error instanceof NodeTaken) onTaken?.();
      else if (!(error instanceof ServeAway) && !this.sending.signal.aborted)
        log.error("reporting an attempt failed", { attempt, error });
      this.retryMs = Math.min(lastRetryMs, this.retryMs * 2);
    }
    return false;
  }

  /** Undefined while its engine is away: nobody can tell whether it runs, and its lines come all the same. */
  private async look(): Promise<Observation | undefined> {
    const { engine, attempt } = this.options;
    try {
      return await engine.observe(attempt);
    } catch (error) {
      if (error instanceof EngineAway) return undefined;
      throw error;
    }
  }

  /** One that is to stop is not held for longer than serve waits for it. */
  private async sayAlive(): Promise<void> {
    if (this.stale || this.left || this.desired === "STOP") return;
    if (performance.now() < this.heardAt + this.options.aliveMs) return;
    await this.send({ offset: this.acknowledged, bytes: 0 }, []);
  }

  private async pushLines(final: boolean): Promise<void> {
    for (;;) {
      if (this.stale || this.left) return;
      const batch = readBatch(join(this.options.folder, "events.jsonl"), this.acknowledged, final);
      if (batch === undefined) return;
      const far = this.options.far();
      // While serve does not answer, nothing more is announced than it may have taken: a checkpoint that was never sent
      // stays its worker's, which removes it by its own rule, however long the outage lasts.
      const known = this.unanswered > this.acknowledged ? (before(batch, this.unanswered) ?? batch) : batch;
      for (const piece of far === undefined ? [known] : piecesOf(known))
        if (!(await this.push(piece, far))) break;
    }
  }

  /**
   * Sends a batch, and says whether serve has taken all of it. One that serve refuses is sent in halves, until the line is
   * found that it does not take: that one alone is put aside.
   */
  private async push(batch: Batch, far: FarStore | undefined): Promise<boolean> {
    if (far === undefined) this.unanswered = Math.max(this.unanswered, batch.offset + batch.bytes);
    const lines = await this.settled(batch, far);
    if (this.stale || this.left) return false;
    try {
      const taken = await this.send(batch, lines);
      if (far === undefined) await this.dropStale(lines, taken);
    } catch (error) {
      if (!(error instanceof ServeRefuses)) throw error;
      const halves = halvesOf(batch);
      if (halves !== undefined) {
        for (const half of halves) if (!(await this.push(half, far))) return false;
        return true;
      }
      const { attempt, log } = this.options;
      log.error("serve refused a line of an event file", { attempt, offset: batch.offset, error });
      this.aside.add(batch.offset);
      const taken = await this.send(batch, refusedLine(batch, error.message, this.hide));
      if (far === undefined) await this.dropStale(lines, taken === undefined ? undefined : false);
    }
    return this.acknowledged === batch.offset + batch.bytes;
  }

  /** The events of a batch. What one announces is at serve before it is, so that a row always has its bytes. */
  private async settled(batch: Batch, far: FarStore | undefined): Promise<EventLine[]> {
    const { folder, home, attempt, epoch } = this.options;
    const lines: EventLine[] = [];
    for (const line of eventsOf(batch, this.hide)) {
      const sent = () => this.staying(far!.settle(line, folder, { attempt, epoch }, this.sending.signal));
      const told = far === undefined ? settle(line, folder, home) : await sent();
      // A refusal quotes the path.
      lines.push(told === line ? told : { ...told, message: this.hide(String(told.message)) });
    }
    return lines;
  }

  /**
   * Waits for a transfer. Lines behind it wait too, for the order of the file is the order of the records; meanwhile serve
   * hears the newest progress out of turn, or at least that the attempt is here, and may answer with a stop. One that is to
   * stop and whose transfers fail again and again falls silent: no broken store keeps a run from its end.
   */
  private async staying(work: Promise<EventLine>): Promise<EventLine> {
    const { folder, aliveMs } = this.options;
    const over = work.then(
      () => true,
      () => true,
    );
    for (;;) {
      const isHeld = this.desired === "STOP" && this.retryMs === lastRetryMs;
      if (performance.now() >= this.heardAt + aliveMs && !isHeld) {
        // Noted first: serve that is away is asked no more often.
        this.heardAt = performance.now();
        const progress = newestProgress(join(folder, "events.jsonl"), this.acknowledged, this.hide);
        const alive = { offset: this.acknowledged, bytes: 0 };
        await this.send(alive, progress === undefined ? [] : [progress]).catch(() => {});
      }
      const timer = new AbortController();
      const waitMs = isHeld ? aliveMs : this.heardAt + aliveMs - performance.now();
      const late = sleep(waitMs, false, { signal: timer.signal }).catch(() => false);
      const ended = await Promise.race([over, late]);
      timer.abort();
      if (ended) return work;
    }
  }

  /** After checkpoints were committed, those that need not stay go; what serve did not take stays its worker's. */
  private async dropStale(lines: readonly EventLine[], taken: boolean | undefined): Promise<void> {
    const { folder, attempt, log } = this.options;
    const announced = lines.filter(({ type }) => type === "checkpoint") as CheckpointLine[];
    if (announced.length === 0 || taken === undefined) return;
    try {
      const claims = new Claims(folder);
      if (taken && this.keeping !== undefined)
        await claims.dropStale(
          Math.max(...announced.map(({ step }) => step)),
          { ...this.keeping, starts: this.starts },
          log,
        );
      else if (!taken) for (const { path } of announced) claims.release(path);
    } catch (error) {
      log.warn("old checkpoints were not removed", { attempt, error });
    }
  }

  /** True when the lines were taken, now or when they were sent before; undefined when that is not known. @throws ServeRefuses */
  private async send(batch: Pick<Batch, "offset" | "bytes">, lines: EventLine[]): Promise<true | undefined> {
    const { attempt, epoch, client } = this.options;
    const { offset, bytes } = batch;
    const answer = await client.events(attempt, { epoch, offset, bytes, lines });
    if (answer.status === "stale") return void (await this.abandon());
    if (answer.status === "wrong_offset" && answer.acknowledged === offset)
      throw new Error(`serve refuses offset ${offset} and asks for the same`);
    this.acknowledged = answer.acknowledged;
    this.unanswered = 0;
    this.heardAt = performance.now();
    const taken = bytes > 0 && answer.acknowledged === offset + bytes && !this.aside.has(offset);
    if (answer.status === "wrong_offset") return taken || undefined;
    if (answer.keep) this.starts = answer.keep;
    this.desired = answer.desired;
    if (answer.desired === "STOP") await this.askToStop(answer.graceSeconds ?? 120);
    return true;
  }

  private async reportExit(seen: Exclude<Observation, { state: "running" }>): Promise<boolean> {
    if (this.left) return false;
    const { attempt, epoch, client } = this.options;
    const gone = { code: null, signal: null, at: new Date().toISOString() };
    const lost = seen.state === "lost";
    const told: Exit = seen.state === "exited" ? seen.exit : gone;
    const { code, signal, at, reason, message } = lost ? { ...told, ...whyLost(seen.message) } : told;
    const asked = this.files.stop() !== undefined;
    const report: ExitReport = {
      ...{ epoch, code, signal, lost, at, asked },
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message: this.hide(message) }),
    };
    await client.exit(attempt, report);
    return true;
  }

  /** Notices of the folder: lines of the event file, and exit.json. Without them the poll does. */
  private watch(): FSWatcher | undefined {
    const { folder } = this.options;
    try {
      this.files.make();
      const watcher = watch(folder, (_kind, name) => {
        if (name === null || name === "events.jsonl" || name === "exit.json") this.wake.call();
      });
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }
}

/** A worker that is lost says nothing of it; where the engine knows why, that is what people read. */
function whyLost(message: string | undefined): Pick<Exit, "reason" | "message"> {
  return message === undefined ? {} : { reason: "dispatch_failed", message };
}
