import type { OpenRows } from "../core/rows.ts";
import type { Silence } from "./types.ts";

/** Since when a sign of life has been the same, on the clock of time that was heard. */
interface Since {
  sign: string;
  at: number;
}

/**
 * Hears who says nothing. Time counts from one look to the next, as this process's own steady clock has it, and never more
 * than a look may take: what passed while serve slept, was stopped or could not reach the database, nobody was there to
 * hear. No clock is compared with another one, so that a step of any of them ends nothing.
 */
export class Hearing {
  /** Time that was heard, in milliseconds. */
  #heard = 0;
  #lastLook: number | undefined;
  readonly #mostMs: number;
  readonly #leaseMs: number;
  #attempts = new Map<string, Since>();
  #steps = new Map<string, Since>();
  #nodes = new Map<string, Since>();
  /** When nodes last came back. */
  #back = new Map<string, number>();

  /**
   * @param mostMs longest time between two looks that counts
   * @param leaseMs a node that said nothing for so long and speaks again has come back: what runs on it had nobody to
   *   speak for it, and is heard from then on
   */
  constructor(mostMs: number, leaseMs: number) {
    this.#mostMs = mostMs;
    this.#leaseMs = leaseMs;
  }

  /** @param elapsed milliseconds of a steady clock, at the time the rows were read */
  look(
    { attempts, nodes, now }: Pick<OpenRows, "attempts" | "nodes"> & { now: Date },
    elapsed: number,
  ): Silence {
    const passed = Math.max(0, Math.min(this.#mostMs, elapsed - (this.#lastLook ?? elapsed)));
    this.#lastLook = elapsed;
    const heardBefore = this.#heard;
    this.#heard += passed;
    // A sign that is new came between two looks; when, the database's clock tells, as far as that can be.
    const follow = (
      known: Map<string, Since>,
      id: string,
      sign: string,
      at: Date | null,
    ): [string, Since] => {
      const before = known.get(id);
      if (before?.sign === sign) return [id, before];
      const ago = at === null ? 0 : now.getTime() - at.getTime();
      return [id, { sign, at: this.#heard - Math.max(0, Math.min(passed, ago || 0)) }];
    };
    const nodesBefore = this.#nodes;
    this.#nodes = new Map(
      nodes.map(({ id, heartbeatAt }) => follow(nodesBefore, id, `${heartbeatAt.getTime()}`, heartbeatAt)),
    );
    this.#back = new Map(
      [...this.#nodes].flatMap(([id, { sign, at }]) => {
        const before = nodesBefore.get(id);
        const wasAway = before !== undefined && heardBefore - before.at >= this.#leaseMs;
        const back = wasAway && before.sign !== sign ? at : this.#back.get(id);
        return back === undefined ? [] : [[id, back]];
      }),
    );
    const heardBy = (nodeId: string | null, [id, { sign, at }]: [string, Since]): [string, Since] => [
      id,
      { sign, at: Math.max(at, this.#back.get(nodeId ?? "") ?? at) },
    ];
    this.#attempts = new Map(
      attempts.map(({ id, nodeId, state, heartbeatAt, dispatchedAt }) => {
        const sign = `${state === "DISPATCHING" && heartbeatAt === null} ${heartbeatAt?.getTime()}`;
        return heardBy(nodeId, follow(this.#attempts, id, sign, heartbeatAt ?? dispatchedAt));
      }),
    );
    this.#steps = new Map(
      attempts.map(({ id, nodeId, phase, phaseAt, stepAt }) => {
        const sign = `${phase} ${phaseAt?.getTime()} ${stepAt?.getTime()}`;
        return heardBy(nodeId, follow(this.#steps, id, sign, later(phaseAt, stepAt)));
      }),
    );
    const silences = (since: ReadonlyMap<string, Since>) =>
      new Map([...since].map(([id, { at }]) => [id, this.#heard - at]));
    return {
      attempts: silences(this.#attempts),
      steps: silences(this.#steps),
      nodes: silences(this.#nodes),
    };
  }
}

function later(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}
