import type { Change } from "../../src/core/changes.ts";
import { canonicalJson } from "../../src/core/hash.ts";

interface Told {
  type: string;
  stageId?: string | null;
  attemptId?: string | null;
  changes: readonly Change[];
}

/** Fields that say what was decided; times and what follows from them are left out. */
const telling = [
  "state",
  "reason",
  "cause",
  "epoch",
  "desired",
  "nodeId",
  "resumeFrom",
  "passed",
  "stopReason",
  "cacheKey",
  "cachedFrom",
  "infraUsed",
  "numericUsed",
  "userUsed",
  "stepBack",
];

/** What happened, as a text that two decisions share when they are the same; the order of what is independent is not. */
export function textOf(happenings: readonly Told[]): string {
  return happenings
    .map(({ type, stageId, attemptId, changes }) => {
      const rows = changes.map((change) => `${change.table} ${idOf(change)} ${fieldsOf(change)}`);
      return [type, attemptId ?? stageId ?? "", ...rows].join("\n    ");
    })
    .sort()
    .join("\n");
}

function idOf(change: Change): string {
  if ("insert" in change) return `+${change.insert.id}`;
  if ("fill" in change) return `+${canonicalJson(change.fill)}`;
  return "all" in change ? `* ${canonicalJson(change.all)}` : change.id;
}

function fieldsOf(change: Change): string {
  const fields = ("insert" in change ? change.insert : "set" in change ? change.set : {}) as Record<
    string,
    unknown
  >;
  return telling.flatMap((name) => (name in fields ? [`${name}=${fields[name]}`] : [])).join(" ");
}
