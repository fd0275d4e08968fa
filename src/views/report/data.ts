import type { Lineage } from "../../records/reads/lineage.ts";
import type { Series } from "../../records/reads/metrics.ts";
import type { Attempt, Node } from "../../records/reads/row-types.ts";
import type { RunDetail } from "../../records/reads/runs.ts";
import type { StageRow } from "../../records/reads/stages.ts";
import type { Metrics } from "../key-numbers.ts";

/** Everything the report shows of one stage. */
export interface StageReport {
  row: StageRow;
  metrics: Metrics;
  attempts: (Attempt & { index: number })[];
  series: Series[];
  /** `summary` of its worker's result: free form, by stage kind. */
  summary: Fields;
  /** JSON files of its artifacts and of its attempt's folder, by `<kind>/<path>` (`corpus/report.json`, `order/order.json`). */
  files: Record<string, Fields>;
  /** `versions` and `device` of the worker that did the work. */
  versions: Fields;
}

export interface ReportData {
  detail: RunDetail;
  stages: StageReport[];
  nodes: Node[];
  /** What the delivered model, or else the last output, was made from. */
  lineage?: Lineage | null;
  /** The commit of legalone that the run was submitted with. */
  commit?: string | null;
  now: Date;
}

/** JSON whose form another program decides: read with the functions below, which take nothing for granted. */
export type Fields = Record<string, unknown>;

export function fields(value: unknown): Fields {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Fields) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

export function numbers(value: unknown): number[] {
  return list(value).map((entry) => numberOf(entry) ?? 0);
}

/** Stages of a kind, in the order of the run. */
export function ofKind(data: ReportData, ...kinds: string[]): StageReport[] {
  return data.stages.filter((stage) => kinds.includes(stage.row.kind));
}
