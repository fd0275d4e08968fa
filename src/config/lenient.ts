import { isObject } from "./annotations.ts";
import type { Path, Problem } from "./form/problem.ts";
import type { YamlSource } from "./form/yaml-source.ts";
import { parseWith } from "./form/zod-problems.ts";
import { type ParsedPipeline, pipelineSchema } from "./pipeline-schema.ts";
import type { Json } from "./types.ts";

/**
 * Parses a pipeline file; where its form is wrong, the wrong places are taken out and the rest is parsed again,
 * so that errors of the stages' options can be shown in the same breath. `value` is null where nothing is left to check.
 */
export function parseLeniently(source: YamlSource): { value: ParsedPipeline | null; problems: Problem[] } {
  const first = parseWith(pipelineSchema, source);
  if (first.value) return { value: first.value, problems: [] };
  if (!isObject(source.value ?? undefined)) return { value: null, problems: first.problems };
  let rest: Json = structuredClone(source.value);
  // Each round takes at least one place away; a pipeline has few levels, so a few rounds are enough.
  for (let round = 0; round < 5; round++) {
    const parsed = pipelineSchema.safeParse(rest);
    if (parsed.success) return { value: parsed.data, problems: first.problems };
    for (const issue of parsed.error.issues) {
      const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
      if (issue.code === "unrecognized_keys")
        for (const key of issue.keys) rest = without(rest, [...path, key]);
      else rest = without(rest, path);
    }
  }
  return { value: null, problems: first.problems };
}

/** Stand-ins for required keys, so that the rest of the file can be checked. */
const standIns: Record<string, Json> = { version: 1, name: "unnamed", stages: {} };

function without(value: Json, path: Path): Json {
  const copy = structuredClone(value);
  let here: Json | undefined = copy;
  for (const part of path.slice(0, -1)) here = (here as Record<string | number, Json> | undefined)?.[part];
  const last = path.at(-1);
  if (here === null || typeof here !== "object" || last === undefined) return copy;
  if (Array.isArray(here)) here.splice(Number(last), 1);
  else if (path.length === 1 && String(last) in standIns) here[String(last)] = standIns[String(last)]!;
  else if (path.length === 3 && last === "uses")
    delete (copy as { stages: Record<string, Json> }).stages[String(path[1])];
  else delete here[String(last)];
  return copy;
}
