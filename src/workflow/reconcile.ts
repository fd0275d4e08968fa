import type { Happening } from "../core/changes.ts";
import type { Log } from "../core/log.ts";
import type { OpenRows } from "../core/rows.ts";
import { decide } from "./decide.ts";
import { Quarantine, type Quarantined } from "./quarantine.ts";
import { Hearing } from "./silence.ts";
import { transactionsOf } from "./transactions.ts";
import type { Action, Bell, CacheHit, Decision, Policy, Silence } from "./types.ts";

type Rows = OpenRows & { now: Date };

/** What the reconciler needs of the records. */
export interface ReconcilePorts {
  /** All rows as of one moment of the database's clock; undefined when no run has anything left to do. */
  read(): Promise<Rows | undefined>;
  lookUpCache(keys: readonly string[]): Promise<ReadonlyMap<string, CacheHit | null>>;
  /**
   * Writes what was decided in one transaction. Every change is guarded by the state and epoch it was decided from, so that
   * deciding twice, or beside another writer, is harmless: when something moved meanwhile, nothing is written, and it says
   * what that was.
   */
  commit(happenings: readonly Happening[], bells: readonly Bell[]): Promise<string | undefined>;
  quarantined(): Promise<Quarantined[]>;
  /** Notes that runs are in quarantine, or how they go on there. */
  quarantine(runs: readonly Quarantined[], happenings: readonly Happening[]): Promise<void>;
  release(run: string, happenings: readonly Happening[]): Promise<void>;
  /** An error of the database or of this serve's office: of everything, not of one run. */
  isTrouble(error: unknown): boolean;
}

/** Looks that meet rows that others moved meanwhile, before those others get a turn. A run in quarantine has one. */
const mostRounds = 10;

/** Reads rows, decides, applies; while this serve is the one that decides. */
export class Reconciler {
  readonly #ports: ReconcilePorts;
  readonly #policy: Policy;
  readonly #log: Log;
  readonly #elapsed: () => number;
  readonly #hearing: Hearing;
  #quarantine: Quarantine | undefined;
  /** Runs of a transaction that failed: which of them it was is found by deciding about each without the others. */
  #apart: string[][] = [];
  /** Attempts of which it was told that they are held. */
  #held = new Set<string>();

  /** @param elapsed milliseconds of a steady clock */
  constructor(ports: ReconcilePorts, policy: Policy, log: Log, elapsed: () => number) {
    this.#ports = ports;
    this.#policy = policy;
    this.#log = log;
    this.#elapsed = elapsed;
    const { reconcile, lease } = policy.times;
    this.#hearing = new Hearing(Math.max(2 * reconcile, lease / 3), lease);
  }

  /**
   * One look: again only where rows moved meanwhile, or where something waits for what was just written.
   * @returns after how many milliseconds to look again at the latest, or null when the regular look is early enough
   */
  async look(): Promise<number | null> {
    const { times } = this.#policy;
    this.#quarantine ??= new Quarantine(await this.#ports.quarantined(), times);
    const quarantine = this.#quarantine;
    const moving = new Map<string, number>();
    for (let round = 0; round < mostRounds; round++) {
      const rows = await this.#ports.read();
      const elapsed = this.#elapsed();
      await this.#releaseEnded(quarantine, rows);
      if (!rows) return null;
      const silence = this.#hearing.look(rows, elapsed);
      const aside = new Set([...quarantine.aside(rows, elapsed), ...this.#oneOfEach()]);
      const decision = await this.#decide(rows, silence, aside);
      await this.#fail(quarantine, decision.faults, rows);
      await this.#tellHeld(decision, silence);
      const failed = new Set(decision.faults.keys());
      const stale = await this.#apply(quarantine, decision, rows, failed);
      for (const run of quarantine.runs())
        if (!aside.has(run) && !failed.has(run) && !stale.has(run)) await this.#release(quarantine, run);
      if (stale.size > 0) this.#log.info("rows moved while deciding", Object.fromEntries(stale));
      const restless = new Map<string, Error>();
      for (const [run, moved] of stale) {
        const rounds = (moving.get(run) ?? 0) + 1;
        moving.set(run, rounds);
        if (rounds < mostRounds && !quarantine.has(run)) continue;
        restless.set(run, new Error(`its rows were others each time they were to change: ${moved}`));
      }
      await this.#fail(quarantine, restless, rows);
      // One look decides all there is: what it leads to was decided with it.
      if (stale.size === restless.size && !decision.again && this.#apart.length === 0)
        return this.#waitMs(quarantine, decision, rows);
    }
    return floorMs(times.reconcile);
  }

  /** All but the first run of each transaction that failed. */
  #oneOfEach(): string[] {
    return this.#apart.flatMap(([, ...others]) => others);
  }

  /** Cache keys become known while deciding: what was not looked up yet is, and the same rows are decided again. */
  async #decide(rows: Rows, silence: Silence, aside: ReadonlySet<string>): Promise<Decision> {
    const cache = new Map<string, CacheHit | null | Error>();
    for (;;) {
      const decision = decide(rows, { cache, silence, aside }, rows.now, this.#policy);
      const unknown = decision.lookups.filter((key) => !cache.has(key));
      if (unknown.length === 0) return decision;
      for (const [key, hit] of await this.#lookUp(unknown)) cache.set(key, hit);
    }
  }

  /** A key that cannot be looked up is an error of the runs that ask for it, and of no other. */
  async #lookUp(keys: readonly string[]): Promise<Map<string, CacheHit | null | Error>> {
    try {
      return new Map(await this.#ports.lookUpCache(keys));
    } catch (error) {
      if (this.#ports.isTrouble(error)) throw error;
      if (keys.length === 1) return new Map([[keys[0]!, error as Error]]);
    }
    const found = new Map<string, CacheHit | null | Error>();
    for (const key of keys) for (const [one, hit] of await this.#lookUp([key])) found.set(one, hit);
    return found;
  }

  /** Writes the transactions in order. @returns runs whose rows had moved, and what: to be decided again */
  async #apply(
    quarantine: Quarantine,
    { actions }: Decision,
    rows: Rows,
    failed: Set<string>,
  ): Promise<Map<string, string>> {
    const stale = new Map<string, string>();
    const apart: string[][] = [];
    for (const transaction of transactionsOf(actions, rows.leases)) {
      const runs = [...new Set(transaction.map(({ happening }) => happening.runId))];
      const moved = await this.#commit(transaction).catch((error: unknown) => error as Error);
      if (moved === undefined) {
        for (const { happening } of transaction) {
          const { type, runId, stageId, attemptId, data } = happening;
          this.#log.info(type, { run: runId, stage: stageId, attempt: attemptId, data });
        }
      } else if (typeof moved === "string") {
        for (const run of runs) stale.set(run, moved);
      } else if (this.#ports.isTrouble(moved)) {
        throw moved;
      } else {
        for (const run of runs) failed.add(run);
        // Alone, or known for it: that one it was. Of others each is decided about without the rest.
        const known = runs.length === 1 ? runs : runs.filter((run) => quarantine.has(run));
        await this.#fail(quarantine, new Map(known.map((run) => [run, moved])), rows);
        apart.push(runs.filter((run) => !known.includes(run)));
      }
    }
    this.#apart = [...this.#apart.map(([, ...others]) => others), ...apart].filter(
      ({ length }) => length > 0,
    );
    return stale;
  }

  #commit(actions: readonly Action[]): Promise<string | undefined> {
    return this.#ports.commit(
      actions.map(({ happening }) => happening),
      actions.flatMap(({ bells }) => bells),
    );
  }

  /** All other runs go on; these are tried again later. They are noted in one write, or one by one where that fails. */
  async #fail(quarantine: Quarantine, errors: ReadonlyMap<string, Error>, rows: Rows): Promise<void> {
    const notes = [...errors].map(([run, error]) => {
      const before = quarantine.get(run);
      const entry = quarantine.failed(run, textOf(error), rows, this.#elapsed());
      const { tries, retryAt } = entry;
      if (before?.error === entry.error) this.#log.warn("a run stays in quarantine", { run, tries, retryAt });
      else this.#log.error("a run is in quarantine; all others go on", { run, tries, retryAt, error });
      const data = { error: entry.error };
      const told: Happening[] = before ? [] : [{ runId: run, type: "run.quarantined", data, changes: [] }];
      return { entry, told };
    });
    if (notes.length === 0) return;
    const write = (some: typeof notes) =>
      this.#ports.quarantine(
        some.map(({ entry }) => entry),
        some.flatMap(({ told }) => told),
      );
    try {
      if (notes.length > 1) return await write(notes);
    } catch (error) {
      if (this.#ports.isTrouble(error)) throw error;
    }
    for (const one of notes) await this.#note(one.entry.run, () => write([one]));
  }

  async #release(quarantine: Quarantine, run: string): Promise<void> {
    const tries = quarantine.get(run)?.tries;
    quarantine.passed(run);
    this.#log.info("a run left the quarantine", { run, tries });
    const told: Happening = { runId: run, type: "run.released", data: { tries }, changes: [] };
    await this.#note(run, () => this.#ports.release(run, [told]));
  }

  /** A run that came to its end was cancelled in quarantine, or has nothing left to do. */
  async #releaseEnded(quarantine: Quarantine, rows: Rows | undefined): Promise<void> {
    const open = new Set(rows?.runs.map(({ id }) => id));
    for (const run of quarantine.runs()) if (!open.has(run)) await this.#release(quarantine, run);
  }

  /** What cannot be noted about one run keeps nothing from the others. */
  async #note(run: string, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (this.#ports.isTrouble(error)) throw error;
      this.#log.error("the quarantine of a run could not be noted", { run, error });
    }
  }

  async #tellHeld({ held }: Decision, { attempts }: Silence): Promise<void> {
    const fresh = held.filter(({ attempt }) => !this.#held.has(attempt.id));
    this.#held = new Set(held.map(({ attempt }) => attempt.id));
    if (fresh.length > 0)
      this.#log.warn("most nodes fell silent together: nothing is given up yet", {
        attempts: fresh.map(({ attempt }) => attempt.id),
        untilSilentMs: this.#policy.times.lease + this.#policy.times.blackout,
      });
    for (const { attempt, stage } of fresh) {
      const { id: attemptId, nodeId: node } = attempt;
      const data = { node, silentSeconds: Math.round((attempts.get(attemptId) ?? 0) / 1000) };
      const of = { runId: stage.runId, stageId: stage.id, attemptId };
      const told: Happening = { ...of, type: "attempt.held", data, changes: [] };
      await this.#note(stage.runId, async () => void (await this.#ports.commit([told], [])));
    }
  }

  /** Differences of one clock each, however far it is off; never so short that looks follow each other without a pause. */
  #waitMs(quarantine: Quarantine, { wakeAt }: Decision, rows: Rows): number | null {
    const { reconcile } = this.#policy.times;
    const due = quarantine.nextDue();
    const waits = [
      ...(wakeAt === null ? [] : [wakeAt.getTime() - rows.now.getTime() + 1]),
      ...(due === null ? [] : [due - this.#elapsed()]),
    ].filter((ms) => ms < reconcile);
    return waits.length === 0 ? null : Math.max(floorMs(reconcile), Math.min(...waits));
  }
}

function floorMs(reconcile: number): number {
  return reconcile / 100;
}

/** As it is shown to people: bounded, and of characters that the database takes. */
function textOf(error: Error): string {
  const { message } = error;
  return (
    message
      .replaceAll("\0", "")
      .slice(0, 1_000)
      .replaceAll(/\p{Surrogate}/gu, "?") || error.name
  );
}
