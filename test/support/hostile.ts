import fc from "fast-check";

/** What a worker, an agent or a stranger could put where a text is expected. */
export const hostileTexts = [
  "",
  "\0",
  "a\0b",
  "\ud800",
  "\udfff\ud800",
  "../../x",
  "..",
  "/etc/passwd",
  "step-1/../../../x",
  "file:///etc",
  "file://host/x",
  "legalone://artifacts/../../x",
  `legalone://artifacts/${"0".repeat(64)}`,
  "legalone://attempts/../step-1",
  "\u001b]0;owned\u0007\u001b[2J\u001b[1;31m",
  "\u009b31m\r\n\b",
  "__proto__",
  "constructor",
  "toString",
  "\u202e\u2066evil\u2069",
  '\'; drop table "Run"; --',
  "<script>alert(1)</script>",
  "checkpoint",
  "NaN",
  "1e999",
  "名".repeat(300),
  "😀".repeat(5000),
  "x".repeat(100_000),
  "\uffff\ufffe",
] as const;

export const extremeNumbers = [
  1e308,
  -1e308,
  5e-324,
  -1,
  -0,
  0,
  0.5,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  1e21,
] as const;

const others = [null, true, [], {}, [[]], { a: { b: 1 } }, [1, "x"]] as const;

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...hostileTexts) },
  // Any UTF-16: controls, halves of pairs, marks of direction.
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 })
      .map((units) => String.fromCharCode(...units)),
  },
);
export const extremeNumber: fc.Arbitrary<number> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...extremeNumbers) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
);
const hostileObject: fc.Arbitrary<unknown> = fc.oneof(
  fc.dictionary(hostileText, fc.oneof(hostileText, extremeNumber), { maxKeys: 4 }),
  fc
    .integer({ min: 1, max: 3000 })
    .map((depth) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`)),
  fc.constant(JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')),
  fc.constant(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, i]))),
);

/** A value of the same sort that is hostile, or now and then one of another sort. */
function hostileInstead(value: unknown): fc.Arbitrary<unknown> {
  const other = fc.constantFrom<unknown>(...others);
  const same: fc.Arbitrary<unknown> =
    typeof value === "string" ? hostileText : typeof value === "number" ? extremeNumber : hostileObject;
  return fc.oneof({ weight: 6, arbitrary: same }, { weight: 1, arbitrary: other });
}

/** One of these objects with one of its values (at any depth) replaced, or a key more. */
export function spoilt(objects: readonly Record<string, unknown>[]): fc.Arbitrary<unknown> {
  return fc.constantFrom(...objects).chain((object) => {
    const places = [...pathsOf(object), []];
    return fc
      .constantFrom(...places)
      .chain((path) =>
        path.length === 0
          ? fc.tuple(hostileText, hostileObject).map(([key, value]) => ({ ...object, [key]: value }))
          : hostileInstead(at(object, path)).map((value) => withAt(object, path, value)),
      );
  });
}

function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.entries(value).flatMap(([key, one]) => pathsOf(one, [...path, key]));
  return path.length === 0 ? inner : [path, ...inner];
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], value);
}

function withAt(value: unknown, [key, ...rest]: readonly string[], put: unknown): unknown {
  if (key === undefined) return put;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  copy[key] = withAt(copy[key], rest, put);
  return copy;
}
