import type { Expected } from "../model.ts";

/** Which attempt trained which steps, from the beginning on; a worker writes it into what it commits. */
interface Leg {
  attempt: string;
  /** A number that the process drew at its start. */
  process: number;
  from: number;
  to: number;
}

interface Meta {
  lineage?: Leg[];
  cursor?: { ledger: string; row: number; lineage?: Leg[] };
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

/** Attempts whose steps come from more than one process. */
export function mixedAttempts(rows: readonly CommittedRow[]): string[] {
  const processes = new Map<string, Set<number>>();
  for (const { attempt, process } of rows.flatMap(legsOf))
    processes.set(attempt, (processes.get(attempt) ?? new Set()).add(process));
  return [...processes].flatMap(([attempt, { size }]) =>
    size > 1 ? [`${attempt}: what it committed comes from ${size} processes`] : [],
  );
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
    const meta = row.meta as Meta;
    const broken = chainFault(legsOf(row), row, digests.length - 1, attempts);
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

function legsOf({ meta }: CommittedRow): Leg[] {
  const { cursor, lineage } = meta as Meta;
  return cursor?.lineage ?? lineage ?? [];
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
