import { mergeRuleOf, metricMatches } from "../core/merge-rule.ts";
import { didYouMeanOrList } from "../core/suggest.ts";
import type { Path, Problem } from "./form/problem.ts";
import { problemAt, type YamlSource } from "./form/yaml-source.ts";
import { type ParsedGate, type ParsedPipeline, thresholdForm } from "./pipeline-schema.ts";
import type { StageKind } from "./stage-kind.ts";
import { ancestors } from "./topological.ts";
import { gateComparisons, type ResolvedGate } from "./types.ts";

/**
 * Parses the gates of stage `name` and checks every metric against the stage kinds.
 * A threshold may be a number, a metric of the stage itself, or `<stage>.<metric>` of a stage that ends before it; a
 * metric may have a factor before it.
 */
export function resolveGates(
  name: string,
  pipeline: ParsedPipeline,
  kinds: ReadonlyMap<string, StageKind>,
  source: YamlSource,
): { gates: ResolvedGate[]; problems: Problem[] } {
  const written = pipeline.stages[name]?.gate;
  if (written === undefined) return { gates: [], problems: [] };
  const list = Array.isArray(written) ? written : [written];
  const problems: Problem[] = [];
  const check = (stage: string, metric: string, path: Path) => {
    const kind = kinds.get(stage);
    if (!kind) return;
    const shards = pipeline.stages[stage]?.shards ?? 1;
    if (!kind.metrics.some((pattern) => metricMatches(pattern, metric))) {
      problems.push(
        problemAt(source, path, `${stage} (${kind.name}) has no metric \`${metric}\``, {
          hint: didYouMeanOrList(metric, kind.metrics),
        }),
      );
    } else if (shards > 1 && mergeRuleOf(kind.merge, metric) === undefined) {
      const merged = Object.keys(kind.merge).join(", ") || "none";
      problems.push(
        problemAt(
          source,
          path,
          `\`${metric}\` of ${shards} shards cannot be put together, and a gate needs one number`,
          {
            expected: `a metric of ${kind.name} that has a rule: ${merged}`,
            hint: `or \`shards: 1\` for ${stage}`,
          },
        ),
      );
    }
  };
  const gates = list.map((gate, i): ResolvedGate => {
    const at: Path = ["stages", name, "gate", ...(Array.isArray(written) ? [i] : [])];
    check(name, gate.metric, [...at, "metric"]);
    const comparison = gateComparisons.find((word) => gate[word] !== undefined)!;
    const threshold = gate[comparison] as NonNullable<ParsedGate[typeof comparison]>;
    if (typeof threshold === "number") return { metric: gate.metric, comparison, against: threshold };
    const [, factor, first, second] = thresholdForm.exec(threshold) as unknown as [
      string,
      string?,
      string?,
      string?,
    ];
    const against = {
      ...(second === undefined ? { stage: name, metric: first! } : { stage: first!, metric: second }),
      ...(factor === undefined ? {} : { times: Number(factor) }),
    };
    const earlier = ancestors(name, (stage) => pipeline.stages[stage]?.needs ?? []);
    if (against.stage !== name && !earlier.has(against.stage)) {
      problems.push(
        problemAt(source, [...at, comparison], `\`${against.stage}\` does not end before ${name}`, {
          expected: `a metric of ${[name, ...earlier].join(", ")}`,
          hint: `add ${against.stage} to the needs of ${name} if it is a stage of this pipeline`,
        }),
      );
    } else check(against.stage, against.metric, [...at, comparison]);
    return { metric: gate.metric, comparison, against };
  });
  return { gates, problems };
}
