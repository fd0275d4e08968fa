import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { didYouMean } from "../../core/suggest.ts";
import type { Json, JsonObject } from "../types.ts";
import type { Path, Problem } from "./problem.ts";
import { problemAt, type YamlSource } from "./yaml-source.ts";
import { describe } from "./zod-problems.ts";

// Annotations of our own: a reference to a file of configs/, a path, an address of data outside, and "not part of the cache key".
const complaints: string[] = [];
const ajv = new Ajv2020({
  allErrors: true,
  useDefaults: true,
  verbose: true,
  strictSchema: "log",
  strictTypes: false,
  strictRequired: false,
  // Each is asked a few times at most.
  code: { optimize: false },
  logger: { log: collect, warn: collect, error: collect },
});
ajv.addVocabulary(["x-config", "x-cache", "x-path", "x-outside", "x-window", "x-steps"]);
addFormats.default(ajv);

function collect(...words: unknown[]): void {
  complaints.push(words.join(" "));
}

const compiled = new WeakMap<JsonObject, ValidateFunction>();

/** What is wrong with a schema itself, or null: an unknown keyword, mostly a description that lacks its quotes. */
export function schemaFault(schema: JsonObject): string | null {
  try {
    compile(schema);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function compile(schema: JsonObject): ValidateFunction {
  const known = compiled.get(schema);
  if (known) return known;
  complaints.length = 0;
  const validate = ajv.compile(schema);
  // Defaults below `oneOf` are only ignored; a word that is no keyword is a slip.
  const fault = complaints.find((text) => text.includes("unknown keyword"));
  if (fault) throw new Error(fault.replace("strict mode: ", ""));
  compiled.set(schema, validate);
  return validate;
}

/**
 * Checks `value` (standing at `at` in `source`) against a JSON Schema and fills in defaults, in place.
 * Every problem names its place in the file. Throws when the schema itself is wrong.
 */
export function checkAgainst(schema: JsonObject, value: Json, source: YamlSource, at: Path): Problem[] {
  const validate = compile(schema);
  if (validate(value)) return unwhole(value, source, at);
  const errors = (validate.errors ?? []).filter((error) => !echoes(error, validate.errors ?? []));
  return errors.map((error) => toProblem(error, source, at));
}

/** Numbers that no worker would read as the whole numbers they look like: beyond what JSON of both sides holds exactly. */
function unwhole(value: Json, source: YamlSource, at: Path): Problem[] {
  if (value !== null && typeof value === "object")
    return Object.entries(value).flatMap(([key, inner]) =>
      unwhole(inner, source, [...at, Array.isArray(value) ? Number(key) : key]),
    );
  if (typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value)) return [];
  return [
    problemAt(source, at, `${describe(value)} does not fit`, {
      expected: `a number between -${Number.MAX_SAFE_INTEGER} and ${Number.MAX_SAFE_INTEGER}`,
    }),
  ];
}

/** `if`/`anyOf` report themselves beside the errors of their branches; the branches say more. */
function echoes(error: ErrorObject, all: readonly ErrorObject[]): boolean {
  if (error.keyword !== "if" && error.keyword !== "anyOf" && error.keyword !== "oneOf") return false;
  return all.some((other) => other !== error && other.schemaPath.startsWith(error.schemaPath));
}

function toProblem(error: ErrorObject, source: YamlSource, at: Path): Problem {
  const path = [...at, ...pointer(error.instancePath, source, at)];
  const { params, keyword } = error as { params: Record<string, unknown>; keyword: string };
  if (keyword === "additionalProperties" || keyword === "unevaluatedProperties") {
    const key = String(params.additionalProperty ?? params.unevaluatedProperty);
    const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {});
    const suggestion = didYouMean(key, known);
    return problemAt(source, [...path, key], `unknown key \`${key}\``, {
      expected: known.length > 0 ? `one of ${known.join(", ")}` : "no keys here",
      ...(suggestion ? { hint: suggestion } : {}),
    });
  }
  if (keyword === "required") {
    const missing = String(params.missingProperty);
    const about = (error.parentSchema?.properties as Record<string, { description?: string }> | undefined)?.[
      missing
    ]?.description;
    return problemAt(
      source,
      path,
      `\`${missing}\` is missing`,
      about ? { expected: `\`${missing}\`: ${about}` } : {},
    );
  }
  if (keyword === "enum") {
    const known = (params.allowedValues as Json[]).map(String);
    const suggestion = typeof error.data === "string" ? didYouMean(error.data, known) : undefined;
    return problemAt(source, path, `${describe(error.data)} does not fit`, {
      expected: `one of ${known.join(", ")}`,
      ...(suggestion ? { hint: suggestion } : {}),
    });
  }
  const about = error.parentSchema?.description as string | undefined;
  return problemAt(source, path, `${describe(error.data)} does not fit`, {
    expected: expectation(keyword, params, error.message ?? "another value"),
    ...(about ? { hint: about } : {}),
  });
}

const words: Record<string, string> = {
  integer: "a whole number",
  number: "a number",
  string: "text",
  boolean: "true or false",
  array: "a list",
  object: "a map",
};

const comparisons: Record<string, string> = {
  ">=": "at least",
  "<=": "at most",
  ">": "more than",
  "<": "less than",
};

function expectation(keyword: string, params: Record<string, unknown>, message: string): string {
  if (keyword === "type")
    return [params.type]
      .flat()
      .map((type) => words[String(type)] ?? type)
      .join(" or ");
  if (keyword === "const") return describe(params.allowedValue);
  const comparison = comparisons[String(params.comparison)];
  if (comparison) return `${comparison} ${params.limit}`;
  return message.replace(/^must be /, "").replace(/^must /, "");
}

/** JSON pointer of ajv as a path; list indices become numbers. */
function pointer(text: string, source: YamlSource, at: Path): (string | number)[] {
  let here: Json | undefined = source.value;
  for (const part of at) here = (here as Record<string | number, Json> | undefined)?.[part];
  const path: (string | number)[] = [];
  for (const raw of text.split("/").slice(1)) {
    const part = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    const step = Array.isArray(here) ? Number(part) : part;
    path.push(step);
    here = (here as Record<string | number, Json> | undefined)?.[step];
  }
  return path;
}
