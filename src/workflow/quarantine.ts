import type { OpenRows } from "../core/rows.ts";
import type { Times } from "../core/times.ts";
import { backoffMs } from "./retry.ts";

/** A run about which nothing can be decided now. */
export interface Quarantined {
  run: string;
  since: Date;
  error: string;
  /** How often it has failed since. */
  tries: number;
  retryAt: Date;
}

/** Counted no further: a number of the database's. */
const mostTries = 1_000_000_000;

/** Runs that are tried again in one turn, however many are due: a turn costs all others its reads and writes. */
const mostAtOnce = 16;

interface Entry extends Quarantined {
  /** On the steady clock of this process. */
  dueAt: number;
  /** What people last wanted of the run. A new wish is a new try. */
  wish: string;
}

/** Which runs are in quarantine, and when each is tried again. The records keep the same for views and the next serve. */
export class Quarantine {
  readonly #entries: Map<string, Entry>;
  readonly #times: Times;
  /** On the steady clock: not before it is anything tried again that nobody asked for. */
  #nextTurn = Number.NEGATIVE_INFINITY;

  /** @param known what the records say: all of it is tried at once, once a term */
  constructor(known: readonly Quarantined[], times: Times) {
    this.#times = times;
    this.#entries = new Map(
      known.map((one) => [one.run, { ...one, dueAt: Number.NEGATIVE_INFINITY, wish: "" }]),
    );
  }

  /**
   * Runs that are left alone in this look: all but those of which a person wants something new, and those whose turn it is.
   * Turns are ten times as frequent as regular looks at most.
   */
  aside(rows: OpenRows, elapsed: number): Set<string> {
    if (this.#entries.size === 0) return new Set();
    const wishes = wishesOf(rows);
    const quiet = [...this.#entries.values()].filter(({ run, wish }) => wish === wishes.get(run));
    const due = quiet.filter(({ dueAt }) => elapsed >= Math.max(dueAt, this.#nextTurn));
    const turn = new Set(due.sort((a, b) => a.dueAt - b.dueAt).slice(0, mostAtOnce));
    if (turn.size > 0) this.#nextTurn = elapsed + this.#times.reconcile / 10;
    return new Set(quiet.filter((entry) => !turn.has(entry)).map(({ run }) => run));
  }

  /** When the next run is tried, on the steady clock; null when none waits. */
  nextDue(): number | null {
    const due = [...this.#entries.values()].map(({ dueAt }) => dueAt);
    return due.length === 0 ? null : Math.max(this.#nextTurn, Math.min(...due));
  }

  has(run: string): boolean {
    return this.#entries.has(run);
  }

  get(run: string): Quarantined | undefined {
    return this.#entries.get(run);
  }

  runs(): string[] {
    return [...this.#entries.keys()];
  }

  /** Its decision or transaction failed. */
  failed(run: string, error: string, rows: OpenRows & { now: Date }, elapsed: number): Quarantined {
    const before = this.#entries.get(run);
    const tries = Math.min(mostTries, Math.max(0, before?.tries ?? 0) + 1);
    const waitMs = backoffMs(tries, run, this.#times);
    const entry = {
      run,
      since: before?.since ?? rows.now,
      error,
      tries,
      retryAt: new Date(rows.now.getTime() + waitMs),
      dueAt: elapsed + waitMs,
      wish: wishesOf(rows).get(run) ?? "",
    };
    this.#entries.set(run, entry);
    return entry;
  }

  /** It went through. */
  passed(run: string): void {
    this.#entries.delete(run);
  }
}

/** What people change of a run: its priority, which rows of its stages there are, and which are to stop. */
function wishesOf({ runs, stages }: OpenRows): Map<string, string> {
  const wishes = new Map(runs.map(({ id, priority }) => [id, [String(priority)]]));
  for (const { id, runId, desired } of stages) wishes.get(runId)?.push(`${id} ${desired}`);
  return new Map([...wishes].map(([run, words]) => [run, words.sort().join(";")]));
}
