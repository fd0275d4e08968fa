import { ofKind, type ReportData, type StageReport } from "./data.ts";
import { type Mean, meanWithInterval } from "./t-interval.ts";

/** Stages that were trained alike under other seeds: `pas-1`, `pas-2`, `pas-3`. */
export interface Arm {
  name: string;
  /** By the number at the end of their name. */
  runs: { seed: string; stage: StageReport }[];
}

/** Arms of a comparison, in the order of the run: none where there are not two of them with two trained seeds each. */
export function armsOf(data: ReportData): Arm[] {
  const arms = new Map<string, Arm>();
  for (const stage of ofKind(data, "midtrain")) {
    const [, name, seed] = /^(.+)-(\d+)$/.exec(stage.row.name) ?? [];
    if (name === undefined || seed === undefined || stage.metrics.legal_ppl === undefined) continue;
    const arm = arms.get(name) ?? { name, runs: [] };
    arm.runs.push({ seed, stage });
    arms.set(name, arm);
  }
  const several = [...arms.values()].filter(({ runs }) => runs.length > 1);
  return several.length > 1 ? several : [];
}

/** A metric over the seeds of an arm. */
export function valuesOf({ runs }: Arm, metric: string): number[] {
  return runs.flatMap(({ stage }) => stage.metrics[metric] ?? []);
}

/** What `arm` has more than `against`, seed by seed: the order of equal seeds differs in the mixture alone. */
export function pairedDifference(arm: Arm, against: Arm, metric: string): Mean | null {
  const pairs = arm.runs.flatMap(({ seed, stage }) => {
    const other = against.runs.find((one) => one.seed === seed)?.stage.metrics[metric];
    const mine = stage.metrics[metric];
    return mine === undefined || other === undefined ? [] : [mine - other];
  });
  return pairs.length === 0 ? null : meanWithInterval(pairs);
}
