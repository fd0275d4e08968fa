import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptFolder } from "./attempt-folder.ts";

/** How often a worker that was asked to stop is looked at. */
const lookMs = 200;

/** How often an engine is asked that could not answer: its daemon or its disk is away. */
const awayMs = 1_000;

/**
 * The second half of a stop: waits for the end of the grace that stop.json grants, then kills. A rung is climbed
 * once at a time for each attempt; after a restart of the agent the next engine climbs on.
 */
export class StopLadders {
  private readonly climbing = new Set<string>();

  /**
   * Begins to climb and returns: nobody waits for it, so nothing that it meets may end the agent. An engine that cannot
   * answer (EngineAway) is asked again until it does.
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
    void this.climb(folder, () => answered(runs), kill).finally(() => this.climbing.delete(attempt));
  }

  private async climb(
    folder: AttemptFolder,
    runs: () => Promise<boolean>,
    kill: () => Promise<void>,
  ): Promise<void> {
    const stop = await answered(async () => folder.stop());
    if (stop === undefined) return;
    const graceMs = stop.graceSeconds * 1000;
    // The time of day tells only what another agent has waited: set back, it makes no grace longer than it is.
    const left = Math.min(graceMs, stop.at + graceMs - Date.now());
    const killAt = performance.now() + left;
    while (performance.now() < killAt) {
      if (!(await runs())) return;
      await sleep(Math.min(lookMs, Math.max(1, killAt - performance.now())), undefined, { ref: false });
    }
    if (await runs()) await answered(kill);
  }
}

/** What an engine says, as soon as it can say it. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await sleep(awayMs, undefined, { ref: false });
    }
  }
}
