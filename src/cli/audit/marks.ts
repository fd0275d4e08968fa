import type { Mark, Position } from "../../recipe/audit.ts";
import { type Consumed, cursorOf } from "../../records/reads/consumed.ts";

/** A recorded position, and who recorded it. */
export interface RecordedMark extends Mark {
  attempt: string;
  what: "checkpoint" | "result";
}

/** Whether any attempt recorded a position. */
export function recordsPositions({ attempts }: Consumed): boolean {
  return attempts.some(({ checkpoints, result }) => checkpoints.length > 0 || endOf(result) !== null);
}

/** Every position that checkpoints and results of a stage recorded, by step. `steps` and `batch` are those of its order. */
export function recordedMarks(
  { attempts, began }: Consumed,
  { steps, batch }: { steps: number; batch: number },
): RecordedMark[] {
  const start = began && positionOf(began.meta, began.step);
  const marks = attempts.flatMap(({ id, checkpoints, result }): RecordedMark[] => {
    const saved = checkpoints.map(({ meta, step }): RecordedMark => {
      const cursor = cursorOf(meta);
      return { attempt: id, what: "checkpoint", ...positionOf(meta, step), ...saidOf(cursor) };
    });
    const ended = endOf(result);
    if (ended === null) return saved;
    // A result says no position: it is the end of the order.
    const forked = saved.at(-1)?.forked ?? start;
    const row = (forked?.row ?? 0) + (steps - (forked?.step ?? 0)) * batch;
    return [...saved, { attempt: id, what: "result", step: steps, row, forked, ...ended }];
  });
  return marks.sort((a, b) => a.step - b.step);
}

/** What a result that came at the end of an order says of it. */
function endOf(result: unknown): { ledger: string; orderSha256: string | null } | null {
  const { summary } = (result ?? {}) as { summary?: Record<string, unknown> };
  const ledger = text(summary?.ledger);
  return ledger === null ? null : { ledger, orderSha256: text(summary?.orderSha256) };
}

/** Where a checkpoint stood. */
export function positionOf(meta: unknown, step: number | null): Position {
  const { row, ledger } = cursorOf(meta);
  return { step: step ?? 0, row: Number(row ?? -1), ledger: text(ledger) ?? "" };
}

function saidOf(cursor: Record<string, unknown>): Pick<Mark, "forked" | "orderSha256"> {
  const forked = cursor.forked as Position | undefined;
  return { forked: forked ?? null, orderSha256: text(cursor.orderSha256) };
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
