import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptFolder } from "./attempt-folder.ts";

/** How often a worker that was asked to stop is looked at. */
const lookMs = 200;

/**
 * The second half of a stop: waits for the end of the grace that stop.json grants, then kills. A rung is climbed
 * once at a time for each attempt; after a restart of the agent the next engine climbs on.
 */
export class StopLadders {
  private readonly climbing = new Set<string>();

  /** `runs` tells whether the attempt still lives, `kill` ends it; both may be called by several agents. */
  async climb(
    attempt: string,
    folder: AttemptFolder,
    runs: () => Promise<boolean>,
    kill: () => Promise<void>,
  ): Promise<void> {
    const stop = folder.stop();
    if (stop === undefined || this.climbing.has(attempt)) return;
    this.climbing.add(attempt);
    try {
      const graceMs = stop.graceSeconds * 1000;
      // The time of day tells only what another agent has waited: set back, it makes no grace longer than it is.
      const left = Math.min(graceMs, stop.at + graceMs - Date.now());
      const killAt = performance.now() + left;
      while (performance.now() < killAt) {
        if (!(await runs())) return;
        await sleep(Math.min(lookMs, Math.max(1, killAt - performance.now())), undefined, { ref: false });
      }
      if (await runs()) await kill();
    } finally {
      this.climbing.delete(attempt);
    }
  }
}
