import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { packageRoot } from "../core/paths.ts";
import { annotated, isObject, replacedAt } from "./annotations.ts";
import { checkAgainst } from "./form/json-schema.ts";
import { dotted, type Path, type Problem } from "./form/problem.ts";
import { didYouMeanOrList } from "./form/suggest.ts";
import { problemAt, readYaml, type YamlSource } from "./form/yaml-source.ts";
import type { Json, JsonObject } from "./types.ts";

/** An options object after references, with what of it may not go into a cache key. */
export interface Resolved {
  value: JsonObject;
  /** `value` without the places marked `x-cache: false`. */
  identity: JsonObject;
  problems: Problem[];
}

/** Names of the YAML files in configs/<folder>, sorted. */
export function configNames(folder: string, root = packageRoot): string[] {
  const path = join(root, "configs", folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}

/** JSON Schema of configs/<folder>, from its schema.json; null where there is none. */
export function configSchema(folder: string, root = packageRoot): JsonObject | null {
  const path = join(root, "configs", folder, "schema.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as JsonObject) : null;
}

const schemas = new Map<string, JsonObject | null>();

/** configs/<folder>/<name>.yaml, checked against the folder's schema, with its own references resolved and its `name`. */
export function readConfig(
  folder: string,
  name: string,
  root = packageRoot,
  seen: readonly string[] = [],
): Resolved {
  const key = join(root, folder);
  if (!schemas.has(key)) schemas.set(key, configSchema(folder, root));
  const schema = schemas.get(key) ?? null;
  const source = readYaml(join(root, "configs", folder, `${name}.yaml`));
  const written = source.value ?? {};
  if (source.problems.length > 0) return { value: {}, identity: {}, problems: source.problems };
  if (!isObject(written)) {
    return {
      value: {},
      identity: {},
      problems: [problemAt(source, [], "the file is no map", { expected: "a map of keys" })],
    };
  }
  const resolved = resolveOptions(schema ?? {}, written, source, [], {
    root,
    seen: [...seen, `${folder}/${name}`],
  });
  return {
    value: { name, ...resolved.value },
    identity: { name, ...resolved.identity },
    problems: resolved.problems,
  };
}

/**
 * Checks `written` (standing at `at` in `source`) against `schema`, fills in defaults, inlines `x-config` references,
 * makes `x-path` values absolute, and prepares the part that counts for cache keys.
 */
export function resolveOptions(
  schema: JsonObject,
  written: JsonObject,
  source: YamlSource,
  at: Path,
  { root = packageRoot, seen = [] as readonly string[] } = {},
): Resolved {
  let value: Json = structuredClone(written);
  const problems = checkAgainst(schema, value, source, at);
  let identity: Json = value;
  for (const { path } of annotated(schema, value, "x-cache").filter(
    ({ annotation }) => annotation === false,
  )) {
    identity = replacedAt(identity, path, undefined);
  }
  for (const { path, value: text } of annotated(schema, value, "x-path")) {
    if (typeof text === "string" && !/^[a-z]+:\/\//.test(text)) {
      value = replacedAt(value, path, resolve(dirname(source.file), text));
    }
  }
  for (const { path, value: name, annotation } of annotated(schema, value, "x-config")) {
    if (typeof name !== "string") continue;
    const inlined = inline(String(annotation), name, source, [...at, ...path], root, seen);
    problems.push(...inlined.problems);
    value = replacedAt(value, path, inlined.value);
    if (present(identity, path)) identity = replacedAt(identity, path, inlined.identity);
  }
  return { value: value as JsonObject, identity: identity as JsonObject, problems };
}

function inline(
  folder: string,
  name: string,
  source: YamlSource,
  at: Path,
  root: string,
  seen: readonly string[],
): Resolved {
  const known = configNames(folder, root);
  const nothing = { value: {}, identity: {} };
  if (!known.includes(name)) {
    const problem = problemAt(source, at, `there is no configs/${folder}/${name}.yaml`, {
      hint: didYouMeanOrList(name, known),
    });
    return { ...nothing, problems: [problem] };
  }
  if (seen.includes(`${folder}/${name}`)) {
    const round = [...seen, `${folder}/${name}`].join(" -> ");
    return { ...nothing, problems: [problemAt(source, at, `${dotted(at)} refers to itself: ${round}`)] };
  }
  return readConfig(folder, name, root, seen);
}

function present(value: Json, path: Path): boolean {
  let here: Json | undefined = value;
  for (const part of path) {
    if (here === null || typeof here !== "object") return false;
    here = (here as Record<string | number, Json>)[part];
  }
  return here !== undefined;
}
