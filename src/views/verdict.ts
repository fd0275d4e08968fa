import type { RunDetail } from "../records/reads/runs.ts";
import type { StageRow } from "../records/reads/stages.ts";
import { summaryOf } from "./key-numbers.ts";
import { reasonText } from "./stage-line.ts";

/**
 * One sentence on the delivered model: better or worse than its base, where, by what. The stages that know the scores
 * write it (stages/_worker/verdict.py); here it is found, or why there is none is said. Empty for a run that makes no model.
 */
export function verdictSentence({ stages, verdict }: Pick<RunDetail, "stages" | "verdict">): string {
  const told = stages.findLast((stage) => sentenceOf(stage) !== null);
  if (told !== undefined) return sentenceOf(told)!;
  const judges = stages.filter(({ kind }) => kind === "eval" || kind === "export");
  const failed = stages.find(({ name }) => name === verdict.stage);
  if (failed !== undefined && judges.length > 0)
    return `No verdict on the model: ${failed.name} ended first (${reasonText(verdict)}).`;
  const open = judges.find(({ state }) => state !== "SUCCEEDED" && state !== "SKIPPED");
  if (open !== undefined && !verdict.ended) return `No verdict on the model yet: ${open.name} has not ended.`;
  if (judges.some(({ kind, state }) => kind === "eval" && state === "SUCCEEDED"))
    return "No verdict on the model in one sentence: its evaluation is in shards, which an export stage puts together.";
  const made = stages.some(({ artifacts }) => artifacts.some(({ kind }) => kind === "model"));
  return verdict.ended && made ? "No verdict on the model: it was not evaluated in this run." : "";
}

function sentenceOf(stage: StageRow): string | null {
  const { verdict } = summaryOf(stage.result) as { verdict?: { sentence?: unknown } | null };
  return typeof verdict?.sentence === "string" ? verdict.sentence : null;
}
