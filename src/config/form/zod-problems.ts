import { z } from "zod";
import { didYouMean } from "../../core/suggest.ts";
import { gateComparisons, type Json } from "../types.ts";
import type { Path, Problem } from "./problem.ts";
import { problemAt, type YamlSource } from "./yaml-source.ts";

type Issue = z.core.$ZodIssue;

/** Parses `source.value`; on failure gives every problem at its place in the file. */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  source: YamlSource,
): { value: z.output<Schema>; problems: [] } | { value: null; problems: Problem[] } {
  const parsed = schema.safeParse(source.value);
  if (parsed.success) return { value: parsed.data, problems: [] };
  return {
    value: null,
    problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, [], schema, source)),
  };
}

function problemsOf(issue: Issue, above: Path, schema: z.ZodType, source: YamlSource): Problem[] {
  const path: Path = [
    ...above,
    ...issue.path.map((part) => (typeof part === "number" ? part : String(part))),
  ];
  const seen = valueAt(source.value, path);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, path);
    return issue.keys.map((key) =>
      problemAt(source, [...path, key], `unknown key \`${key}\``, {
        expected: known.length > 0 ? `one of ${known.join(", ")}` : "no such key",
        ...hint(didYouMean(key, known)),
      }),
    );
  }
  if (issue.code === "invalid_union") {
    const branch = issue.errors.find(
      (issues) => !issues.some((inner) => inner.path.length === 0 && inner.code === "invalid_type"),
    );
    if (branch) return branch.flatMap((inner) => problemsOf(inner, path, schema, source));
    const endless = typeof seen === "number" && !Number.isFinite(seen);
    const expected = endless ? "a finite number" : "one of the documented forms";
    return [problemAt(source, path, `${describe(seen)} does not fit`, { expected })];
  }
  if (issue.code === "invalid_key") {
    return [
      problemAt(source, path, `the name \`${path.at(-1)}\` does not fit`, {
        expected: "small letters, digits and `-`, a letter first",
      }),
    ];
  }
  if (issue.code === "invalid_type") {
    const missing = seen === undefined;
    return [
      problemAt(source, path, missing ? `\`${path.at(-1)}\` is missing` : `${describe(seen)} does not fit`, {
        expected: a(issue.expected),
      }),
    ];
  }
  if (issue.code === "invalid_value") {
    const known = issue.values.map(String);
    return [
      problemAt(
        source,
        path,
        seen === undefined ? `\`${path.at(-1)}\` is missing` : `${describe(seen)} does not fit`,
        {
          expected: known.join(" or "),
          ...hint(typeof seen === "string" ? didYouMean(seen, known) : undefined),
        },
      ),
    ];
  }
  if (issue.code === "invalid_format") {
    return [problemAt(source, path, `${describe(seen)} does not fit`, { expected: formOf(path) })];
  }
  if (issue.code === "too_big" || issue.code === "too_small") {
    const bound = issue.code === "too_big" ? `at most ${issue.maximum}` : `at least ${issue.minimum}`;
    const unit = { string: " characters", array: " items" }[String(issue.origin)] ?? "";
    return [problemAt(source, path, `${describe(seen)} does not fit`, { expected: `${bound}${unit}` })];
  }
  return [
    problemAt(source, path, issue.code === "custom" ? issue.message : `${describe(seen)}: ${issue.message}`),
  ];
}

function formOf(path: Path): string {
  const key = path.at(-1);
  if (key === "timeout") return "a duration such as 90m or 14d";
  if (gateComparisons.some((word) => word === key))
    return "a number, a metric, `<stage>.<metric>`, or one with a factor such as `2 * <stage>.<metric>`";
  return path.length === 1
    ? "small letters, digits, `.` and `-`, a letter first"
    : "small letters, digits and `-`, a letter first";
}

function hint(text: string | undefined): { hint?: string } {
  return text === undefined ? {} : { hint: text };
}

function a(type: string): string {
  const words: Record<string, string> = {
    int: "a whole number",
    number: "a number",
    string: "text",
    array: "a list",
    object: "a map",
    record: "a map",
    boolean: "true or false",
  };
  return words[type] ?? type;
}

/** A value as it is shown in a message. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return `\`${text.length > 60 ? `${text.slice(0, 57)}…` : text}\``;
}

/** The value at `path`, or undefined. */
export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let here: Json | undefined = value;
  for (const part of path) {
    if (here === null || typeof here !== "object") return undefined;
    here = (here as Record<string | number, Json>)[part];
  }
  return here;
}

/** Keys that `schema` knows at `path`. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let here: z.ZodType | undefined = schema;
  for (const part of path) here = below(here, part);
  const found = unwrap(here);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
}

function below(schema: z.ZodType | undefined, part: string | number): z.ZodType | undefined {
  const found = unwrap(schema);
  if (found instanceof z.ZodObject) return found.shape[String(part)] as z.ZodType | undefined;
  if (found instanceof z.ZodRecord) return found.valueType as z.ZodType;
  if (found instanceof z.ZodArray) return found.element as z.ZodType;
  return undefined;
}

function unwrap(schema: z.ZodType | undefined): z.ZodType | undefined {
  let here = schema;
  for (;;) {
    if (
      here instanceof z.ZodOptional ||
      here instanceof z.ZodDefault ||
      here instanceof z.ZodPrefault ||
      here instanceof z.ZodNullable
    ) {
      here = here.unwrap() as z.ZodType;
    } else if (here instanceof z.ZodUnion) here = here.options[0] as z.ZodType;
    else return here;
  }
}
