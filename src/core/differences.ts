/** A place where two JSON values differ; absent on one side: undefined there. */
export interface Difference {
  /** Keys joined by dots; "" for the values themselves. */
  path: string;
  before: unknown;
  after: unknown;
}

/** Every place where two JSON values differ, innermost first found, in the order of the keys of `before`. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (Object.is(before, after)) return [];
  if (!isContainer(before) || !isContainer(after) || Array.isArray(before) !== Array.isArray(after))
    return [{ path, before, after }];
  if (Array.isArray(before) && before.length !== (after as unknown as unknown[]).length)
    return [{ path, before, after }];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differences(before[key], after[key], path ? `${path}.${key}` : key));
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object";
}

/** A value as a sentence shows it: JSON, cut to `most` characters; `nothing` where it is absent. */
export function shortValue(value: unknown, most = 40): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
