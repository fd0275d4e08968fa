import { isAbsolute, relative } from "node:path";
import { LegaloneError } from "../../core/errors.ts";

/** A place in a YAML file; line and column start at 1. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

/** One thing that is wrong in a pipeline file or a file it points to. */
export interface Problem extends Position {
  /** Dotted path of the key, for example `stages.midtrain.with.pas.lambda`; empty for the whole file. */
  path: string;
  message: string;
  expected?: string;
  hint?: string;
}

/** A step into a YAML document: key of a map or index of a list. */
export type Path = readonly (string | number)[];

/** `stages.rl.with.levels[0].reward` */
export function dotted(path: Path): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join("");
}

/** Of many errors the first ones are mended first. */
const mostShown = 10;

/** Throws E_CONFIG with every problem in `fields.errors`, unless there is none. */
export function throwProblems(file: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const sorted = [...problems].sort(
    (a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column,
  );
  const head = `${shown(file)} has ${problems.length === 1 ? "one error" : `${problems.length} errors`}`;
  const more = sorted.length > mostShown ? [`  and ${sorted.length - mostShown} more; --json has all`] : [];
  throw new LegaloneError("E_CONFIG", [head, ...sorted.slice(0, mostShown).map(line), ...more].join("\n"), {
    hint: "docs/pipeline.md lists every key of a pipeline file",
    fields: { errors: sorted },
  });
}

function line(problem: Problem): string {
  const written = problem.file.startsWith("--set ");
  const place = written ? problem.file : `${shown(problem.file)}:${problem.line}:${problem.column}`;
  const expected = problem.expected ? `; expected ${problem.expected}` : "";
  const hint = problem.hint ? `\n      ${problem.hint}` : "";
  const path = problem.path ? `${problem.path}: ` : "";
  return `  ${place}${written ? ":" : ""} ${path}${problem.message}${expected}${hint}`;
}

/** Relative to the working folder where that is shorter to read. */
export function shown(file: string): string {
  if (!isAbsolute(file)) return file;
  const near = relative(process.cwd(), file);
  return near === "" || near.startsWith("../..") ? file : near;
}
