import { didYouMeanOrList } from "../core/suggest.ts";
import type { Problem } from "./form/problem.ts";
import { problemAt, type YamlSource } from "./form/yaml-source.ts";
import type { ParsedPipeline } from "./pipeline-schema.ts";
import { topologicalOrder } from "./topological.ts";

/**
 * Checks that every `needs` names a stage and that they form no cycle.
 * Gives the names in topological order, or in the order of the file where there is a cycle.
 */
export function checkNeeds(pipeline: ParsedPipeline, source: YamlSource, problems: Problem[]): string[] {
  const names = Object.keys(pipeline.stages);
  for (const name of names) {
    for (const [i, need] of pipeline.stages[name]!.needs.entries()) {
      if (names.includes(need)) continue;
      const hint = didYouMeanOrList(
        need,
        names.filter((other) => other !== name),
      );
      problems.push(
        problemAt(source, ["stages", name, "needs", i], `there is no stage \`${need}\``, { hint }),
      );
    }
  }
  const { order, cycle } = topologicalOrder(names, (name) => pipeline.stages[name]!.needs);
  if (order) return order;
  const message = `the stages wait for each other: ${cycle.join(" needs ")}`;
  problems.push(problemAt(source, ["stages", cycle[0]!, "needs"], message, { expected: "no cycle" }));
  return names;
}
