import type { ResolvedStage } from "./types.ts";

/** Groups that the documents of a pipeline belong to: those of its corpus, and `synthetic` where a stage writes documents. */
export function corpusGroups(stages: readonly Pick<ResolvedStage, "with" | "outputs">[]): string[] {
  const groups = stages.flatMap((stage) => {
    const corpus = stage.with.corpus as { sources?: { group?: string }[] } | undefined;
    const named = (corpus?.sources ?? []).flatMap(({ group }) => (group === undefined ? [] : [group]));
    return stage.outputs.includes("synthetic") ? [...named, "synthetic"] : named;
  });
  return [...new Set(groups)].sort();
}
