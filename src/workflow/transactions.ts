import type { LeaseRow } from "../core/rows.ts";
import type { Action } from "./types.ts";

/**
 * Divides decided actions into transactions: one a run, so that rows of one run that moved hold up no other. Runs of which
 * one takes a place that the other frees are written together. Apart, two runs that change places would each wait for the
 * other for ever, and a place could be taken that never became free.
 * @param leases as they were before the decision
 * @returns actions of each transaction in the order they were decided
 */
export function transactionsOf(actions: readonly Action[], leases: readonly LeaseRow[]): Action[][] {
  const before = new Map(leases.map((lease) => [lease.id, lease]));
  const freedBy = new Map<string, string>();
  const links: [string, string][] = [];
  for (const { happening } of actions) {
    for (const change of happening.changes) {
      if (change.table !== "Lease") continue;
      if ("remove" in change) {
        const lease = before.get(change.id);
        if (lease) freedBy.set(placeOf(lease), happening.runId);
      } else if ("insert" in change) {
        const other = freedBy.get(placeOf(change.insert));
        if (other !== undefined) links.push([happening.runId, other]);
      }
    }
  }
  const group = new Map(actions.map(({ happening: { runId } }) => [runId, runId]));
  for (const [one, other] of links) {
    const [kept, joined] = [group.get(other)!, group.get(one)!];
    for (const [run, of] of group) if (of === joined) group.set(run, kept);
  }
  const transactions = new Map<string, Action[]>();
  for (const action of actions) {
    const key = group.get(action.happening.runId)!;
    const together = transactions.get(key);
    if (together) together.push(action);
    else transactions.set(key, [action]);
  }
  return [...transactions.values()];
}

function placeOf({ nodeId, device }: LeaseRow): string {
  return `${nodeId} ${device}`;
}
