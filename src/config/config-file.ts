import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { sourceRoot } from "../core/paths.ts";
import { didYouMeanOrList } from "../core/suggest.ts";
import { isMisplaced } from "../core/variables.ts";
import { annotated, isObject, replacedAt, writtenForm } from "./annotations.ts";
import { checkAgainst } from "./form/json-schema.ts";
import { dotted, type Path, type Problem } from "./form/problem.ts";
import { problemAt, readYaml, type YamlSource } from "./form/yaml-source.ts";
import type { Json, JsonObject } from "./types.ts";

/** An options object after references, with what of it may not go into a cache key. */
export interface Resolved {
  value: JsonObject;
  /** `value` without the places marked `x-cache: false`. */
  identity: JsonObject;
  /** Files and folders from outside that it names: `data://…` addresses and values marked `x-path` or `x-outside`. */
  external: string[];
  problems: Problem[];
}

/** Names of the YAML files in configs/<folder>, sorted. */
export function configNames(folder: string, root = sourceRoot()): string[] {
  const path = join(root, "configs", folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}

/** JSON Schema of configs/<folder>, from its schema.json; null where there is none. */
export function configSchema(folder: string, root = sourceRoot()): JsonObject | null {
  const path = join(root, "configs", folder, "schema.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as JsonObject) : null;
}

const nothing = { value: {}, identity: {}, external: [] };

const schemas = new Map<string, JsonObject | null>();

function schemaOf(folder: string, root: string): JsonObject | null {
  const key = join(root, folder);
  if (!schemas.has(key)) schemas.set(key, configSchema(folder, root));
  return schemas.get(key) ?? null;
}

/** configs/<folder>/<name>.yaml, checked against the folder's schema, with its own references resolved and its `name`. */
export function readConfig(
  folder: string,
  name: string,
  root = sourceRoot(),
  seen: readonly string[] = [],
): Resolved {
  const schema = schemaOf(folder, root);
  const source = readYaml(join(root, "configs", folder, `${name}.yaml`));
  const written = source.value ?? {};
  if (source.problems.length > 0) return { ...nothing, problems: source.problems };
  if (!isObject(written)) {
    return {
      ...nothing,
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
    external: resolved.external,
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
  { root = sourceRoot(), seen = [] as readonly string[] } = {},
): Resolved {
  let value: Json = structuredClone(written);
  const problems = checkAgainst(writtenForm(schema), value, source, at);
  let identity: Json = value;
  for (const { path } of annotated(schema, value, "x-cache").filter(
    ({ annotation }) => annotation === false,
  )) {
    identity = replacedAt(identity, path, undefined);
  }
  const external = addresses(value);
  for (const { value: marked } of annotated(schema, value, "x-outside")) {
    for (const address of [marked].flat())
      if (typeof address === "string" && !external.includes(address)) external.push(address);
  }
  problems.push(...misplacedVariables(value, external, source, at));
  for (const { path, value: text } of annotated(schema, value, "x-path")) {
    if (typeof text !== "string" || /^[a-z]+:\/\//.test(text)) continue;
    const absolute = resolve(dirname(source.file), text);
    external.push(absolute);
    value = replacedAt(value, path, absolute);
  }
  for (const { path, value: name, annotation } of annotated(schema, value, "x-config")) {
    if (typeof name !== "string" && !isObject(name)) continue;
    const inlined = inline(String(annotation), name, source, [...at, ...path], root, seen);
    external.push(...inlined.external);
    problems.push(...inlined.problems);
    value = replacedAt(value, path, inlined.value);
    if (present(identity, path)) identity = replacedAt(identity, path, inlined.identity);
  }
  return { value: value as JsonObject, identity: identity as JsonObject, external, problems };
}

function inline(
  folder: string,
  written: string | JsonObject,
  source: YamlSource,
  at: Path,
  root: string,
  seen: readonly string[],
): Resolved {
  if (typeof written !== "string") {
    const here = resolveOptions(schemaOf(folder, root) ?? {}, written, source, at, { root, seen });
    const name = "inline";
    return { ...here, value: { name, ...here.value }, identity: { name, ...here.identity } };
  }
  const known = configNames(folder, root);
  if (!known.includes(written)) {
    const hint = didYouMeanOrList(written, known);
    return {
      ...nothing,
      problems: [problemAt(source, at, `there is no configs/${folder}/${written}.yaml`, { hint })],
    };
  }
  if (seen.includes(`${folder}/${written}`)) {
    const round = [...seen, `${folder}/${written}`].join(" -> ");
    return { ...nothing, problems: [problemAt(source, at, `${dotted(at)} refers to itself: ${round}`)] };
  }
  return readConfig(folder, written, root, seen);
}

/** A variable stands for the folder that an address begins with, and for no part of a name. */
function misplacedVariables(
  value: Json,
  outside: readonly string[],
  source: YamlSource,
  at: Path,
): Problem[] {
  if (typeof value === "string") {
    if (value.includes("\0"))
      return [problemAt(source, at, `${dotted(at)} holds the character \\0`, { expected: "text" })];
    if (!outside.includes(value) || !isMisplaced(value)) return [];
    return [
      problemAt(source, at, `a variable stands for a folder at the beginning of an address: ${value}`, {
        expected: "$" + "{NAME}/path below that folder, NAME in capitals",
      }),
    ];
  }
  if (value === null || typeof value !== "object") return [];
  const inside = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return inside.flatMap(([key, inner]) => misplacedVariables(inner, outside, source, [...at, key]));
}

/** Every `data://…` address in `value`. */
function addresses(value: Json): string[] {
  if (typeof value === "string") return value.startsWith("data://") ? [value] : [];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(addresses);
}

function present(value: Json, path: Path): boolean {
  let here: Json | undefined = value;
  for (const part of path) {
    if (here === null || typeof here !== "object") return false;
    here = (here as Record<string | number, Json>)[part];
  }
  return here !== undefined;
}
