import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ResolvedPipeline } from "../../config/types.ts";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { type ComparedMark, compareMarks, firstOtherStep, type WalkedOrder } from "../../recipe/audit.ts";
import { segmentSums } from "../../recipe/segment-sums.ts";
import type { Database } from "../../records/database.ts";
import { type Consumed, consumedBy } from "../../records/reads/consumed.ts";
import type { StageRow } from "../../records/reads/stages.ts";
import type { PasAudit } from "../../views/pas-audit.ts";
import { positionOf, type RecordedMark, recordedMarks, recordsPositions } from "./marks.ts";
import { plannedOrder } from "./planned.ts";
import { openRows } from "./walk.ts";

/**
 * What a stage was planned to consume beside what its attempts recorded.
 * @throws E_NOT_FOUND where nothing is recorded, or no order is left to compare with
 */
export async function auditStage(db: Database, pipeline: ResolvedPipeline, row: StageRow): Promise<PasAudit> {
  const consumed = await consumedBy(db, row);
  const { stage, attempts } = consumed;
  if (!recordsPositions(consumed)) {
    throw new LegaloneError("E_NOT_FOUND", `${row.name} of run ${row.runId} has recorded no position yet`, {
      hint: `legalone status ${row.runId} shows how far it is; its first checkpoint records one`,
    });
  }
  const made = { id: stage.id, name: stage.name, run: stage.runId, pipeline };
  const folders = attempts.map(({ id }) => orderFolder(id));
  const { order, spec, cells, from } = await plannedOrder(db, made, folders);
  const marks = recordedMarks(consumed, order);
  const end: RecordedMark = { ...blank, step: order.steps };
  const { orderSha256, compared } = compareMarks(order, [...marks, end]);
  const whole = compared.at(-1)!;
  const broken = marks.findIndex((_, i) => compared[i]!.differences.length > 0);
  const sound = marks.filter((_, i) => compared[i]!.differences.length === 0);
  const proven = broken < 0 ? sound.at(-1) : sound.findLast(({ step }) => step < marks[broken]!.step);
  const taken = proven ? compared[marks.indexOf(proven)]!.taken : [];
  const fork = forkProblem(consumed, marks);
  const parts = broken < 0 ? fork : partedAt(order, marks[broken]!, compared[broken]!, proven?.step);
  return {
    run: row.runId,
    stage: row.name,
    order: { orderSha256, steps: order.steps, batch: order.batch, from },
    equal: parts === null,
    parts,
    proven: proven?.step ?? 0,
    began: consumed.began?.step ?? 0,
    cells: cells.map(({ group, band, sequences }, i) => {
      return { group, band, sequences, planned: whole.taken[i]!, consumed: taken[i] ?? 0 };
    }),
    segments: segmentSums(spec).map(({ from, to, lambda, hold, taken, farthest }) => {
      return { from, to, lambda, hold, planned: taken, farthest };
    }),
    forks: forksOf(marks).map(({ step, orderSha256: left = null, changed = [] }) => {
      return { step, changed, left, order: orderSha256 };
    }),
    attempts: attempts.map(({ id, state, resumeFrom }) => {
      const own = marks.filter((mark) => mark.attempt === id);
      return {
        attempt: id,
        state,
        from: startOf(consumed, resumeFrom),
        steps: [...new Set(own.map(({ step }) => step))],
        equal: own.every((mark) => compared[marks.indexOf(mark)]!.differences.length === 0),
      };
    }),
    notes: notesOf(consumed, row),
  };
}

/** What a fork's checkpoints say of the order that was left. */
interface RecordedFork {
  step: number;
  orderSha256?: string | null;
  changed?: string[];
}

/** Each fork once: every mark after it repeats it. */
function forksOf(marks: readonly RecordedMark[]): RecordedFork[] {
  const told = marks.flatMap(({ forked }) => (forked === null ? [] : [forked as RecordedFork]));
  return [...new Map(told.map((fork) => [JSON.stringify(fork), fork])).values()];
}

const blank = { attempt: "", what: "result", row: 0, ledger: "", orderSha256: null, forked: null } as const;

const orderFolder = (attempt: string) => join(workspace(), "attempts", attempt, "order");

/** Where a mark and the order part: exactly, where the attempt's own order is still there and is the one that differs. */
function partedAt(
  order: WalkedOrder,
  mark: RecordedMark,
  { differences }: ComparedMark,
  after = 0,
): PasAudit["parts"] {
  const told = { attempt: mark.attempt, after, differences };
  const file = join(orderFolder(mark.attempt), "order.rows.bin");
  if (existsSync(file)) {
    const reader = openRows(file, order.batch);
    try {
      const step = firstOtherStep(order, reader.rows);
      if (step !== null && step < mark.step) return { ...told, step, exact: true };
    } finally {
      reader.close();
    }
  }
  return { ...told, step: mark.step, exact: false };
}

/** A fork whose chain does not begin where its checkpoint stood. */
function forkProblem({ began, stage }: Consumed, marks: readonly RecordedMark[]): PasAudit["parts"] {
  const wrong = marks.find(({ forked }) => {
    if (!began || stage.startFrom === null) return forked !== null;
    const start = positionOf(began.meta, began.step);
    return forked?.ledger !== start.ledger || forked.step !== start.step || forked.row !== start.row;
  });
  if (!wrong) return null;
  const planned = began ? positionOf(began.meta, began.step).ledger : "";
  const recorded = wrong.forked?.ledger ?? null;
  const step = began?.step ?? 0;
  const { attempt } = wrong;
  return { step, after: step, attempt, exact: true, differences: [{ what: "ledger", planned, recorded }] };
}

/** Step that an attempt began with. */
function startOf({ attempts, began }: Consumed, resumeFrom: string | null): number {
  if (resumeFrom === null) return 0;
  const known = [...attempts.flatMap(({ checkpoints }) => checkpoints), ...(began ? [began] : [])];
  return known.find(({ id }) => id === resumeFrom)?.step ?? 0;
}

function notesOf({ stage, began, otherGenerations }: Consumed, row: StageRow): string[] {
  return [
    ...(stage.id === row.id
      ? []
      : [`its outputs were taken from run ${stage.runId}, which is what is compared`]),
    ...(began
      ? [
          `a fork: the steps before ${began.step} are those of run ${began.runId} (legalone pas audit ${began.runId})`,
        ]
      : []),
    ...(otherGenerations.length > 0
      ? [
          `not compared, for they had other code, options or inputs: generations ${otherGenerations.join(", ")}`,
        ]
      : []),
  ];
}
