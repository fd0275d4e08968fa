import type { Outcome } from "./command-line.ts";

/** One line of what a command with --json writes. */
export interface Line {
  type: string;
  [field: string]: unknown;
}

export function linesOf<T = Line>({ stdout }: Pick<Outcome, "stdout">): T[] {
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

export function lastLine<T = Line>(outcome: Pick<Outcome, "stdout">): T {
  return linesOf<T>(outcome).at(-1)!;
}

/** The run that the last line names. */
export function runNamed(outcome: Pick<Outcome, "stdout">): string {
  return String(lastLine(outcome).run);
}

/** States of the stages by name, from the last line. */
export function stagesOf(outcome: Pick<Outcome, "stdout">): Record<string, string> {
  return lastLine<{ stages: Record<string, string> }>(outcome).stages;
}

/** What a stage made, from the lines of `status --json`. */
export function artifactsOf(
  status: Pick<Outcome, "stdout">,
  stage: string,
): { kind: string; uri: string; sha256: string }[] {
  const lines = linesOf<{ stage?: string; artifacts?: ReturnType<typeof artifactsOf> }>(status);
  return lines.find((one) => one.stage === stage)?.artifacts ?? [];
}
