import { join } from "node:path";
import { execa } from "execa";
import { packageRoot } from "../../src/core/paths.ts";

/** The workspace of the demo run that test/e2e looks at. */
export const demoHome = join(packageRoot, ".legalone", "e2e");

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the built command line in the demo's workspace; never throws on an exit code. */
export async function legalone(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const result = await execa(process.execPath, [join(packageRoot, "dist", "bin.js"), ...args], {
    cwd: packageRoot,
    env: {
      LEGALONE_HOME: demoHome,
      LEGALONE_DATA: join(packageRoot, ".legalone", "data"),
      LEGALONE_OWNER_PID: String(process.pid),
      NO_COLOR: "1",
      ...env,
    },
    reject: false,
    stdin: "ignore",
  });
  return { code: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
}

/** JSON Lines of a command's standard output. */
export function lines(outcome: Outcome): Record<string, unknown>[] {
  return outcome.stdout
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export interface StageLine {
  stage: string;
  state: string;
  generation: number;
  metrics: Record<string, number>;
  progress: { step: number; of: number } | null;
  attempts: { attempt: string | null; epoch: number; state: string }[];
  artifacts: { kind: string; sha256: string }[];
}

/** The stages of `status RUN --json`. */
export function stageLines(outcome: Outcome): StageLine[] {
  return lines(outcome).filter((line) => line.type === "stage") as unknown as StageLine[];
}

/** The last line, which is the whole verdict. */
export function verdict(outcome: Outcome): Record<string, unknown> {
  return lines(outcome).at(-1) ?? {};
}
