import type { Path } from "./form/problem.ts";
import type { Json, JsonObject } from "./types.ts";

/** A place in an options object whose schema carries an annotation. */
export interface Annotated {
  path: Path;
  value: Json;
  /** The annotation's value, for example the folder of `x-config`. */
  annotation: Json;
}

/**
 * Finds every place in `value` whose schema has `annotation`.
 * Looks through `properties`, `additionalProperties`, `items` and `$defs`; that is all our schemas use.
 */
export function annotated(
  schema: JsonObject,
  value: Json,
  annotation: string,
  at: Path = [],
  root = schema,
): Annotated[] {
  const here = dereferenced(schema, root);
  const found: Annotated[] = [];
  if (here[annotation] !== undefined) found.push({ path: at, value, annotation: here[annotation] });
  if (Array.isArray(value)) {
    const items = here.items;
    if (isObject(items)) {
      for (const [i, item] of value.entries())
        found.push(...annotated(items, item, annotation, [...at, i], root));
    }
  } else if (isObject(value)) {
    const properties = isObject(here.properties) ? here.properties : {};
    for (const [key, inner] of Object.entries(value)) {
      const below = properties[key] ?? here.additionalProperties;
      if (isObject(below)) found.push(...annotated(below, inner, annotation, [...at, key], root));
    }
  }
  return found;
}

function dereferenced(schema: JsonObject, root: JsonObject): JsonObject {
  if (typeof schema.$ref !== "string" || !schema.$ref.startsWith("#/$defs/")) return schema;
  const target = (root.$defs as JsonObject | undefined)?.[schema.$ref.slice("#/$defs/".length)];
  return isObject(target) ? { ...target, ...schema } : schema;
}

/** A JSON object, not a list or null. */
export function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** A copy of `value` with `replacement` at `path`; `undefined` takes the key away. */
export function replacedAt(value: Json, path: Path, replacement: Json | undefined): Json {
  const [head, ...rest] = path;
  if (head === undefined) return replacement ?? null;
  if (Array.isArray(value))
    return value.map((item, i) => (i === head ? replacedAt(item, rest, replacement) : item));
  const copy: JsonObject = { ...(value as JsonObject) };
  if (rest.length === 0 && replacement === undefined) delete copy[head];
  else copy[head] = replacedAt(copy[head] ?? null, rest, replacement);
  return copy;
}

/** What defaults have to fit: tokens that the model reads at once, and updates of the stage. null: not known here. */
export interface Fit {
  positions: number | null;
  steps: number | null;
}

/**
 * A schema whose defaults fit: those marked `x-window` are at most their `share` (1 where none is named) of the model's
 * window, those marked `x-steps` at most that share of the steps. The schema itself where all of them do: it has been
 * compiled.
 */
export function withFittingDefaults(schema: JsonObject, { positions, steps }: Fit): JsonObject {
  const fitted = (value: Json): Json => {
    if (!isObject(value)) return value;
    const { default: fallback, "x-window": window, "x-steps": share } = value;
    if (typeof fallback === "number") {
      const bounds = [
        ...(isObject(window) && positions !== null ? [positions * Number(window.share ?? 1)] : []),
        ...(typeof share === "number" && steps !== null ? [steps * share] : []),
      ];
      const fitting = Math.min(fallback, ...bounds.map(Math.floor));
      return fitting === fallback ? value : { ...value, default: fitting };
    }
    const inner = Object.entries(value).map(([key, below]) => [key, fitted(below)] as const);
    return inner.some(([key, below]) => below !== value[key]) ? Object.fromEntries(inner) : value;
  };
  return fitted(schema) as JsonObject;
}

const forms = new WeakMap<JsonObject, JsonObject>();

/**
 * The schema of what people write: where stage.yaml describes the object of an `x-config` reference,
 * a pipeline file has the name of a file of configs/, or the object itself.
 */
export function writtenForm(schema: JsonObject): JsonObject {
  let form = forms.get(schema);
  if (!form) {
    // Its `$id` stays behind: two checkouts may be read in one process.
    const { $id: _, ...rest } = schema;
    form = relaxed(rest) as JsonObject;
    forms.set(schema, form);
  }
  return form;
}

function relaxed(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(relaxed);
  if (!isObject(schema)) return schema;
  if (schema["x-config"] !== undefined) {
    const { description, default: fallback } = schema;
    return {
      type: ["string", "object", ...([schema.type].flat().includes("null") ? ["null"] : [])],
      "x-config": schema["x-config"],
      ...(description === undefined ? {} : { description }),
      ...(fallback === undefined ? {} : { default: fallback }),
    };
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, inner]) => [key, key === "default" ? inner : relaxed(inner)]),
  );
}
