import { emptyLedger, extendLedger, forkLedger } from "./ledger.ts";

/** Where a chain of the ledger stands: after `step` steps and `row` rows, with its head. */
export interface Position {
  step: number;
  row: number;
  ledger: string;
}

/** What a training recorded of its own position. */
export interface Mark extends Position {
  orderSha256: string | null;
  /** Where a fork left its ancestor; null for a chain from H_0. */
  forked: Position | null;
}

/** Called with the row ids and the cells of every step from step 0 on; both arrays are used again. */
export type RowSink = (rows: Uint32Array, cells: Uint16Array, step: number) => void;

export interface WalkedOrder {
  steps: number;
  batch: number;
  /** Number of cells. */
  cells: number;
  /** Goes through the order once; returns its hash. */
  walk: (sink: RowSink) => string;
}

export interface Difference {
  what: "steps" | "row" | "ledger" | "orderSha256";
  planned: string | number;
  recorded: string | number | null;
}

export interface ComparedMark {
  /** Empty where the mark is what the order gives. */
  differences: Difference[];
  /** Sequences of each cell that the order gives up to the mark, from where the mark's chain begins. */
  taken: number[];
}

interface Chain {
  begins: number;
  row: number;
  head: Buffer;
  taken: number[];
}

/** A chain at one step. */
interface Seen {
  row: number;
  ledger: string;
  taken: number[];
}

/**
 * Compares recorded positions with an order: the rows, the ledger and the hash of the order that each of them must have.
 * The order is walked once. The rows before a fork belong to another order: there a chain begins with the head that the
 * fork left.
 */
export function compareMarks(
  order: WalkedOrder,
  marks: readonly Mark[],
): { orderSha256: string; compared: ComparedMark[] } {
  const chains = new Map<string, Chain>();
  const none = new Array<number>(order.cells).fill(0);
  const chainOf = ({ forked }: Mark): Chain => {
    const key = JSON.stringify(forked);
    const head = forked ? forkLedger(Buffer.from(forked.ledger, "hex")) : emptyLedger;
    const chain = chains.get(key) ?? {
      begins: forked?.step ?? 0,
      row: forked?.row ?? 0,
      head,
      taken: [...none],
    };
    chains.set(key, chain);
    return chain;
  };
  const seen = new Map<Mark, Seen>();
  const waiting = new Map<number, Mark[]>();
  const look = (mark: Mark) => {
    const { row, head, taken } = chainOf(mark);
    seen.set(mark, { row, ledger: head.toString("hex"), taken: [...taken] });
  };
  for (const mark of marks) {
    if (chainOf(mark).begins === mark.step) look(mark);
    else waiting.set(mark.step, [...(waiting.get(mark.step) ?? []), mark]);
  }
  const orderSha256 = order.walk((rows, cells, step) => {
    for (const chain of chains.values()) {
      if (step < chain.begins) continue;
      chain.row += rows.length;
      chain.head = extendLedger(chain.head, rows);
      for (const cell of cells) chain.taken[cell]!++;
    }
    for (const mark of waiting.get(step + 1) ?? []) look(mark);
  });
  const compared = marks.map((mark): ComparedMark => {
    const there = seen.get(mark);
    return there
      ? { differences: differencesOf(mark, there, orderSha256), taken: there.taken }
      : { differences: [{ what: "steps", planned: order.steps, recorded: mark.step }], taken: none };
  });
  return { orderSha256, compared };
}

function differencesOf(mark: Mark, { row, ledger }: Seen, orderSha256: string): Difference[] {
  const all: Difference[] = [
    { what: "orderSha256", planned: orderSha256, recorded: mark.orderSha256 },
    { what: "row", planned: row, recorded: mark.row },
    { what: "ledger", planned: ledger, recorded: mark.ledger },
  ];
  return all.filter((one) => one.planned !== one.recorded);
}

/** The first step whose rows are not those that `other` gives (null where it ends); null where there is none. */
export function firstOtherStep(
  order: WalkedOrder,
  other: (step: number) => Uint32Array | null,
): number | null {
  let found: number | null = null;
  order.walk((rows, _, step) => {
    if (found !== null) return;
    const theirs = other(step);
    const same = theirs?.length === rows.length && rows.every((row, n) => row === theirs[n]);
    if (!same) found = step;
  });
  return found;
}
