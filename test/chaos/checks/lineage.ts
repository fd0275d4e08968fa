import type { Expected } from "../model.ts";

/** Which attempt trained which steps, from the beginning on; a worker writes it into what it commits. */
interface Leg {
  attempt: string;
  from: number;
  to: number;
}

export interface CommittedRow {
  id: string;
  kind: string;
  sha256: string;
  meta: unknown;
  attemptId: string;
  stageId: string;
  shard: number;
  step: number | null;
}

/**
 * What was committed is what an undisturbed run would have committed: every checkpoint stands in the state that its
 * step has, every output has its hash, and the steps behind each form one unbroken chain over known attempts.
 */
export function lineageFaults(
  rows: readonly CommittedRow[],
  stageNames: ReadonlyMap<string, string>,
  attempts: ReadonlySet<string>,
  expected: Expected,
): string[] {
  return rows.flatMap((row) => {
    const name = stageNames.get(row.stageId);
    const digests = expected.digests.get(`${name}/${row.shard}`);
    if (!digests) return [`${row.id}: nothing was to come of ${name}`];
    const meta = row.meta as { lineage?: Leg[]; cursor?: { ledger: string; row: number; lineage: Leg[] } };
    const broken = chainFault(meta.cursor?.lineage ?? meta.lineage ?? [], row, digests.length - 1, attempts);
    const faults = broken ? [`${row.id}: ${broken}`] : [];
    if (row.kind === "checkpoint") {
      if (meta.cursor?.ledger !== digests[row.step ?? -1])
        faults.push(`${row.id}: its ledger is not that of step ${row.step}`);
    } else if (row.sha256 !== expected.outputs.get(`${name}/${row.shard}/${row.kind}`)) {
      faults.push(`${row.id}: its hash is not that of an undisturbed run`);
    }
    return faults;
  });
}

function chainFault(
  legs: Leg[],
  row: CommittedRow,
  steps: number,
  attempts: ReadonlySet<string>,
): string | undefined {
  let at = 0;
  for (const { attempt, from, to } of legs) {
    if (from !== at || to < from) return `steps ${from + 1} to ${to} of ${attempt} follow step ${at}`;
    if (!attempts.has(attempt)) return `it goes back to ${attempt}, which is not known`;
    at = to;
  }
  const wanted = row.step ?? steps;
  return at === wanted ? undefined : `its chain ends at step ${at}, not ${wanted}`;
}
