import type { Difference } from "../recipe/audit.ts";
import { count, number } from "./format.ts";
import type { Look } from "./look.ts";
import { paragraphs, table } from "./table.ts";

export interface PasAudit {
  run: string;
  stage: string;
  order: { orderSha256: string; steps: number; batch: number; from: string };
  /** Every recorded position is the planned one. */
  equal: boolean;
  /** The first step that is known to differ, and how exactly it is known: it lies after `after`. */
  parts: { step: number; after: number; attempt: string; exact: boolean; differences: Difference[] } | null;
  /** Steps up to which records prove what was consumed. */
  proven: number;
  /** Step at which a fork began; 0 otherwise. */
  began: number;
  cells: { group: string; band: string; sequences: number; planned: number; consumed: number }[];
  /** Parts that are counted by themselves; more than one where the order has amendments. `planned`: by cell. */
  segments: { from: number; to: number; lambda: number; hold: string; planned: number[]; farthest: number }[];
  /** Where the stage left another order, what changed there, and both hashes. */
  forks: { step: number; changed: string[]; left: string | null; order: string }[];
  attempts: { attempt: string; state: string; from: number; steps: number[]; equal: boolean }[];
  /** What else a reader has to know. */
  notes: string[];
}

/** Planned beside consumed: cells, attempts, and the verdict as the last line. */
export function pasAuditView(audit: PasAudit, look: Look): string {
  const { run, stage, order, cells, segments, forks, attempts, notes } = audit;
  const right = { align: "right" } as const;
  return [
    paragraphs(
      [
        `${stage} of run ${run}: order ${order.orderSha256.slice(0, 16)} of ${order.steps} steps of ${order.batch} sequences`,
        `order ${order.from}`,
      ],
      look,
    ),
    "",
    table(
      [
        { title: "GROUP", key: true },
        { title: "BAND", key: true },
        { title: "SEQUENCES", ...right },
        { title: "PLANNED", ...right },
        { title: "CONSUMED", ...right },
        { title: "PASSES", ...right },
      ],
      cells.map((cell) => [
        cell.group,
        cell.band,
        count(cell.sequences),
        count(cell.planned),
        count(cell.consumed),
        number(cell.sequences === 0 ? 0 : cell.consumed / cell.sequences),
      ]),
      look,
    ),
    "",
    table(
      [
        { title: "ATTEMPT" },
        { title: "STATE" },
        { title: "FROM", ...right },
        { title: "RECORDED AT STEPS", gives: "below" },
        {},
      ],
      attempts.map(({ attempt, state, from, steps, equal }) => [
        attempt,
        state.toLowerCase(),
        String(from),
        shortSteps(steps),
        steps.length === 0 ? "nothing recorded" : equal ? "as planned" : look.colors.red("not as planned"),
      ]),
      look,
    ),
    "",
    paragraphs(
      [
        ...segments.map(
          ({ from, to, lambda, hold, farthest }) =>
            `steps ${from} to ${to - 1}: lambda ${lambda}${hold === "group" ? ", hold group" : ""}; no count is farther from its target than ${number(farthest)}`,
        ),
        ...forks.map(
          ({ step, changed, left, order }) =>
            `forked at step ${step}: order ${short(left)} -> ${short(order)}; ${changed.join("; ") || "nothing changed"}`,
        ),
        ...notes,
        verdict(audit, look),
      ],
      look,
    ),
  ].join("\n");
}

function verdict({ equal, parts, proven, began, order }: PasAudit, { colors }: Look): string {
  if (equal || parts === null) {
    const rest = proven < order.steps ? `; nothing is recorded of the steps after` : "";
    return colors.green(`equal: steps ${began} to ${proven} consumed what was planned${rest}`);
  }
  const where = parts.exact
    ? `at step ${parts.step}`
    : `after step ${parts.after}, at step ${parts.step} at the latest`;
  const told = parts.differences.map(
    ({ what, planned, recorded }) => `${what} ${short(planned)} planned, ${short(recorded)} recorded`,
  );
  return colors.red(`differs ${where}, in ${parts.attempt}: ${told.join("; ")}`);
}

function short(value: string | number | null): string {
  return value === null || value === "" ? "none" : String(value).slice(0, 16);
}

function shortSteps(steps: number[]): string {
  return steps.length > 8 ? `${steps.slice(0, 3).join(" ")} … ${steps.slice(-4).join(" ")}` : steps.join(" ");
}
