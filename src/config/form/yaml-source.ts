import { existsSync, readFileSync, statSync } from "node:fs";
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLError,
} from "yaml";
import { LegaloneError } from "../../core/errors.ts";
import type { Json } from "../types.ts";
import { dotted, type Path, type Position, type Problem } from "./problem.ts";

/** A parsed YAML file that remembers where every key stands. */
export interface YamlSource {
  file: string;
  text: string;
  /** Plain value; null for an empty file. */
  value: Json;
  /** Errors of YAML itself: bad indentation, a key given twice. */
  problems: Problem[];
  /** Where `path` stands: its key in a map, its item in a list, or the nearest thing above it that exists. */
  position(path: Path): Position;
}

export interface Override {
  /** As written: `stages.midtrain.with.tokens=1e9` */
  text: string;
  path: string[];
  value: Json;
}

/**
 * Reads a YAML file and lays `overrides` over it.
 * Throws E_FILE_MISSING where there is no such file; what is wrong inside is collected in `problems`.
 */
export function readYaml(file: string, overrides: readonly Override[] = []): YamlSource {
  if (!existsSync(file) || !statSync(file).isFile()) {
    throw new LegaloneError("E_FILE_MISSING", `there is no file ${file}`, {
      hint: "pipelines/ holds the files that come with legalone",
      fields: { path: file },
    });
  }
  return parseYaml(file, readFileSync(file, "utf8"), overrides);
}

/** As `readYaml`, for text already read. */
export function parseYaml(file: string, text: string, overrides: readonly Override[] = []): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const problems = [...document.errors, ...document.warnings].map((error) => yamlProblem(file, error, lines));
  const source = (value: Json): YamlSource => ({
    file,
    text,
    value,
    problems,
    position: (path) => overridden(path, overrides) ?? positionIn(file, document, lines, path),
  });
  if (document.errors.length > 0) return source(null);
  for (const override of overrides) {
    const problem = applyOverride(file, document, override);
    if (problem) problems.push(problem);
  }
  return source((document.toJS() ?? null) as Json);
}

/** The text with `overrides` laid over it: comments and order stay; the same text where there are none. */
export function overriddenText(text: string, overrides: readonly Override[]): string {
  if (overrides.length === 0) return text;
  const document = parseDocument(text, { merge: true, prettyErrors: false });
  for (const { path, value } of overrides) document.setIn(path, document.createNode(value));
  return document.toString({ lineWidth: 0 });
}

function yamlProblem(file: string, error: YAMLError, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(error.pos[0]);
  return { file, line, column: col, path: "", message: error.message.trim(), expected: "valid YAML" };
}

function applyOverride(file: string, document: Document, { text, path, value }: Override): Problem | null {
  try {
    document.setIn(path, document.createNode(value));
    return null;
  } catch {
    return {
      file: `--set ${text}`,
      line: 1,
      column: 1,
      path: path.join("."),
      message: `${path.slice(0, -1).join(".")} in ${file} is a single value, not a map`,
      expected: "a path of keys as in the file",
    };
  }
}

function overridden(path: Path, overrides: readonly Override[]): Position | null {
  const written = overrides.findLast((override) =>
    override.path.every((part, i) => String(path[i]) === part),
  );
  return written ? { file: `--set ${written.text}`, line: 1, column: 1 } : null;
}

function positionIn(file: string, document: Document, lines: LineCounter, path: Path): Position {
  let node: unknown = document.contents;
  let place: unknown = node;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!pair) break;
      place = pair.key;
      node = pair.value;
    } else if (isSeq(node) && typeof part === "number" && node.items[part] !== undefined) {
      node = node.items[part];
      place = node;
    } else break;
  }
  const offset = isNode(place) ? (place.range?.[0] ?? 0) : 0;
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(1, line), column: Math.max(1, col) };
}

/** A problem at `path` of `source`. */
export function problemAt(
  source: YamlSource,
  path: Path,
  message: string,
  more: { expected?: string; hint?: string } = {},
): Problem {
  return { ...source.position(path), path: dotted(path), message, ...more };
}
