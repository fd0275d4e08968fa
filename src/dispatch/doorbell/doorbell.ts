/**
 * The bell between processes. A ring only says "look now": whoever hears it reads the truth elsewhere, so a
 * ring that is lost, late or doubled costs time, never correctness.
 */
export interface Doorbell {
  /** Wakes one listener of `queue`. False when it could not be rung; waits a second at most, never throws. */
  ring(queue: string, key: string): Promise<boolean>;
  /**
   * Calls `answer` for every ring, one at a time, and at least every `everyMs` while no bell is heard.
   * An answer that throws is logged; the next ring or the timer tries again.
   */
  listen(queue: string, answer: Answer, options: { everyMs: number }): void;
  /** True while rings reach their listeners; false when only the timers work. */
  healthy(): boolean;
  /** Waits for the answers in progress. */
  close(): Promise<void>;
}

/** `key` is what was rung with, or undefined when the timer called. */
export type Answer = (key: string | undefined) => Promise<void>;

/** The queue on which the agent of a node is called. */
export function nodeQueue(node: string): string {
  return `node-${node}`;
}

/** The queue on which the reconciler of serve is called. */
export const reconcileQueue = "reconcile";
