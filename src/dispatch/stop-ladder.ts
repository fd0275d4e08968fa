import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../core/log.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import { EngineAway } from "./engine.ts";

/** How often a worker that was asked to stop is looked at. */
const lookMs = 200;

/** How often an engine is asked that could not answer: its daemon or its disk is away. */
const awayMs = 1_000;

/**
 * A stop from the wish to the end: remembers until when the worker has time, waits for that, then kills. stop.json tells it to
 * the next agent; since the worker may write there too, it gives nobody more time than was asked for.
 */
export class StopLadders {
  private readonly climbing = new Set<string>();
  /** By the clock of this process, which nobody sets. */
  private readonly killAt = new Map<string, number>();
  private readonly log: Log | undefined;

  /** @param log is told, once each, of errors that keep it from looking or killing: they are tried again for ever */
  constructor(log?: Log) {
    this.log = log;
  }

  /** Notes the wish. False when the worker has been asked before; what is asked again can only be sooner. */
  ask(attempt: string, folder: AttemptFolder, graceSeconds: number): boolean {
    const known = this.killAt.get(attempt) ?? notedEnd(folder);
    const asked = performance.now() + graceSeconds * 1000;
    if (known !== undefined && (known <= asked || this.killAt.has(attempt))) {
      this.killAt.set(attempt, Math.min(known, asked));
      return false;
    }
    this.killAt.set(attempt, asked);
    try {
      folder.write("stop.json", { at: Date.now(), graceSeconds });
    } catch {
      // No room, or no folder any more: it is asked all the same.
    }
    return true;
  }

  /** The worker could not be asked: its time begins when it is. */
  withdraw(attempt: string, folder: AttemptFolder): void {
    this.killAt.delete(attempt);
    folder.remove("stop.json");
  }

  /**
   * The second half. Begins to climb and returns: nobody waits for it, so nothing that it meets may end the agent. An engine
   * that cannot answer (EngineAway) is asked again until it does. After a restart of the agent the next engine climbs on.
   * @param runs tells whether the attempt still lives; may be called by several agents, as `kill`
   * @param kill ends it
   */
  begin(
    attempt: string,
    folder: AttemptFolder,
    runs: () => Promise<boolean>,
    kill: () => Promise<void>,
  ): void {
    if (this.climbing.has(attempt)) return;
    this.climbing.add(attempt);
    const tell = (error: unknown) =>
      this.log?.error("a worker that is to stop cannot be looked at or ended; it is tried again", {
        attempt,
        error,
      });
    void this.climb(
      attempt,
      folder,
      () => answered(runs, tell),
      () => answered(kill, tell),
    ).finally(() => this.climbing.delete(attempt));
  }

  /** Nothing of it runs any more. */
  forget(attempt: string): void {
    this.killAt.delete(attempt);
  }

  private async climb(
    attempt: string,
    folder: AttemptFolder,
    runs: () => Promise<boolean>,
    kill: () => Promise<void>,
  ): Promise<void> {
    const end =
      this.killAt.get(attempt) ??
      (await answered(
        async () => notedEnd(folder),
        () => {},
      ));
    if (end === undefined) return;
    this.killAt.set(attempt, Math.min(end, this.killAt.get(attempt) ?? end));
    const left = () => (this.killAt.get(attempt) ?? end) - performance.now();
    while (left() > 0) {
      if (!(await runs())) return;
      await sleep(Math.min(lookMs, Math.max(1, left())), undefined, { ref: false });
    }
    if (await runs()) await kill();
  }
}

/** What an engine says, as soon as it can say it. That it is away its seat tells; every other error `tell` hears once. */
async function answered<T>(ask: () => Promise<T>, tell: (error: unknown) => void): Promise<T> {
  for (let told = ""; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof EngineAway) && String(error) !== told) {
        told = String(error);
        tell(error);
      }
      await sleep(awayMs, undefined, { ref: false });
    }
  }
}

/**
 * Until when stop.json gives it time. The time of day tells only what another agent has waited: set back, it makes no grace
 * longer than it is.
 */
function notedEnd(folder: AttemptFolder): number | undefined {
  const stop = folder.stop();
  if (stop === undefined) return undefined;
  const graceMs = stop.graceSeconds * 1000;
  return performance.now() + Math.min(graceMs, stop.at + graceMs - Date.now());
}
