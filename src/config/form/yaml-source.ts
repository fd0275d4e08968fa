import { isUtf8 } from "node:buffer";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  Document,
  type ErrorCode,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLError,
  type YAMLMap,
  YAMLParseError,
} from "yaml";
import { LegaloneError } from "../../core/errors.ts";
import { didYouMeanOrList, nearest } from "../../core/suggest.ts";
import { quoted } from "../../core/text.ts";
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
 * Throws E_FILE_MISSING where there is no such file, E_FILE where it is none to read; what is wrong inside is collected in `problems`.
 */
export function readYaml(file: string, overrides: readonly Override[] = []): YamlSource {
  return parseYaml(file, readText(file), overrides);
}

/** Far more than any pipeline needs; what is larger was named by mistake. */
const mostBytes = 256 * 1024;

/**
 * The text of a configuration file. Pipes, devices and what is no text are not waited for or read.
 * @throws E_FILE_MISSING, E_FILE
 */
export function readText(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined)
    throw new LegaloneError("E_FILE_MISSING", `there is no file ${file}`, {
      hint: similarFile(file),
      fields: { path: file },
    });
  const unfit = (seen: string) =>
    new LegaloneError("E_FILE", `${file} ${seen}, expected a YAML file`, {
      hint: "pipelines/ holds the files that come with legalone",
      fields: { path: file },
    });
  if (!found.isFile()) throw unfit(found.isDirectory() ? "is a folder" : "is a pipe, a socket or a device");
  if (found.size > mostBytes) throw unfit(`has ${found.size} bytes, more than ${mostBytes}`);
  const bytes = readFileSync(file);
  if (bytes.includes(0) || !isUtf8(bytes)) throw unfit("is no text in UTF-8");
  return bytes.toString("utf8");
}

/** The file of nearly that name beside it, or where others are. */
function similarFile(file: string): string {
  const folder = dirname(file);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return `the folder ${folder} is not there, or closed to this user; pipelines/ holds the files that come with legalone`;
  }
  const near = nearest(basename(file), names.filter((name) => /\.ya?ml$/.test(name)).slice(0, 1000));
  if (near !== undefined) return `did you mean ${join(folder, near)}?`;
  return "pipelines/ holds the files that come with legalone";
}

/** As `readYaml`, for text already read. */
export function parseYaml(file: string, text: string, overrides: readonly Override[] = []): YamlSource {
  const lines = new LineCounter();
  const document = parsed(text, lines);
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
  problems.push(...unknownStages(document, overrides));
  try {
    return source(plainValue(document));
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    problems.push({ file, line: 1, column: 1, path: "", message: error.message, expected: limitsText });
    return source(null);
  }
}

/** Of any file: what is larger was made to be. An alias counts as what it stands for. */
const limits = { depth: 64, nodes: 200_000, characters: 16 * mostBytes };
const limitsText = `at most ${limits.depth} levels and ${limits.nodes} values, each alias counted as what it stands for`;

/** Keys that JavaScript takes for the type of an object. */
export function isReserved(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}

/** Parses text that may be hostile: the errors of what is not taken stand in the document, as those of YAML itself do. */
export function parsed(text: string, lineCounter?: LineCounter): Document {
  // Looked for before the parser does: its time and stack grow with the square of the depth.
  if (isDeep(text)) return notTaken("BAD_COLLECTION_TYPE", "nested too deeply");
  // Duplicate keys are ours to find: the parser compares each with each.
  const options = { merge: true, prettyErrors: false, uniqueKeys: false };
  const document: Document = parseDocument(text, lineCounter ? { ...options, lineCounter } : options);
  checkNodes(document);
  return document;
}

function notTaken(code: ErrorCode, message: string, at = 0): Document {
  const document = new Document(null);
  document.errors.push(new YAMLParseError([at, at + 1], code, message));
  return document;
}

/** Whether more levels are open somewhere in the text than any file of ours has; quotes and comments count too. */
function isDeep(text: string): boolean {
  if (/(?:[-?:][ \t]+){200}|^[ \t]{500}/m.test(text)) return true;
  let depth = 0;
  for (const [mark] of text.matchAll(/[[\]{}]/g)) {
    depth = Math.max(0, depth + (mark === "[" || mark === "{" ? 1 : -1));
    if (depth > 200) return true;
  }
  return false;
}

/** Keys that are no plain text, are there twice or are reserved, and levels beyond the limit. */
function checkNodes(document: Document): void {
  const open: { node: unknown; depth: number }[] = [{ node: document.contents, depth: 1 }];
  const wrong = (node: unknown, code: ErrorCode, message: string) => {
    const at = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    document.errors.push(new YAMLParseError([at, at + 1], code, message));
  };
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next;
    if (depth > limits.depth) {
      wrong(node, "BAD_COLLECTION_TYPE", "nested too deeply");
      return;
    }
    if (isSeq(node)) for (const item of node.items) open.push({ node: item, depth: depth + 1 });
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      open.push({ node: value, depth: depth + 1 });
      const name = isScalar(key) ? String(key.value) : undefined;
      if (name === undefined) wrong(key, "BAD_COLLECTION_TYPE", "a key is no plain text");
      else if (isReserved(name)) wrong(key, "KEY_OVER_1024_CHARS", `no map may have the key \`${name}\``);
      else if (seen.has(name)) wrong(key, "DUPLICATE_KEY", "Map keys must be unique");
      else seen.add(name);
    }
  }
}

/** The plain value of a document without errors. @throws Unfit where its aliases stand for too much */
export function plainValue(document: Document): Json {
  try {
    const value = (document.toJS() ?? null) as Json;
    const open = [value];
    let [nodes, characters] = [0, 0];
    for (let here = open.pop(); here !== undefined; here = open.pop()) {
      if (typeof here === "string") characters += here.length;
      if (++nodes > limits.nodes || characters > limits.characters)
        throw new Unfit("aliases stand for too much");
      if (here !== null && typeof here === "object")
        for (const inner of Object.values(here)) open.push(inner);
    }
    return value;
  } catch (error) {
    // The parser's own words: an alias without its anchor, or too many of one.
    if (error instanceof ReferenceError) throw new Unfit(error.message);
    throw error;
  }
}

/** Why a document has no plain value. */
export class Unfit extends Error {}

/** The text with `overrides` laid over it: comments and order stay; the same text where there are none. */
export function overriddenText(text: string, overrides: readonly Override[]): string {
  if (overrides.length === 0) return text;
  const document = parsed(text);
  for (const { path, value } of overrides) document.setIn(path, document.createNode(value));
  return document.toString({ lineWidth: 0 });
}

function yamlProblem(file: string, error: YAMLError, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(error.pos[0]);
  // The parser quotes what it came upon, which may be the rest of the file.
  const said = error.message.trim().replaceAll(/\s+/g, " ");
  const message = said.length > 160 ? `${said.slice(0, 159)}…` : said;
  return { file, line, column: col, path: "", message, expected: "valid YAML" };
}

/** Stages that `--set` goes into and the file does not have: a slip, unless another `--set` says what they use. */
function unknownStages(document: Document, overrides: readonly Override[]): Problem[] {
  const stages = document.get("stages");
  if (!isMap(stages)) return [];
  const named = (name: string) => isMap(stages.get(name)) && (stages.get(name) as YAMLMap).has("uses");
  const known = stages.items.map(({ key }) => String(isScalar(key) ? key.value : key)).filter(named);
  return overrides
    .filter(({ path: [first, name, ...rest] }) => first === "stages" && rest.length > 0 && !named(name!))
    .map(({ text, path }) => ({
      ...{ file: overrideName(text), line: 1, column: 1, path: `stages.${path[1]}` },
      message: `there is no stage ${quoted(path[1]!)}`,
      hint: didYouMeanOrList(path[1]!, known),
    }));
}

/** A `--set` as the place of a problem. */
function overrideName(text: string): string {
  return `--set ${text.length > 80 ? `${text.slice(0, 79)}…` : text}`;
}

function applyOverride(file: string, document: Document, { text, path, value }: Override): Problem | null {
  try {
    document.setIn(path, document.createNode(value));
    return null;
  } catch {
    return {
      file: overrideName(text),
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
  return written ? { file: overrideName(written.text), line: 1, column: 1 } : null;
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
