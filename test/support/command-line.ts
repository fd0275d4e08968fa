import { spawn } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/core/paths.ts";
import { down } from "../../src/services/up.ts";
import { openWorkspace } from "./servers.ts";

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command that runs. */
export interface Running {
  ended: Promise<Outcome>;
  /** Resolves when its standard output matches; rejects when it ends before. */
  says(pattern: RegExp): Promise<void>;
  /** Its standard output so far. */
  saw(): string;
  interrupt(): void;
}

export interface CommandLine {
  home: string;
  /** Runs a command to its end. */
  legalone(...words: string[]): Promise<Outcome>;
  start(...words: string[]): Running;
  /** As `start`, with more variables. */
  startWith(more: NodeJS.ProcessEnv, ...words: string[]): Running;
  /** Writes a pipeline file and returns its path. */
  pipeline(name: string, text: string): string;
  close(): Promise<void>;
}

/**
 * The compiled program in a workspace of its own, with the stage kinds of test/fixtures/stages beside the real worker
 * library (and the real `kinds`, folders of stages/), and times at 1/20 (Python takes a second to start). `up` starts its daemons as a user's would.
 */
export function openCommandLine({ kinds = [] }: { kinds?: readonly string[] } = {}): CommandLine {
  const { home, remove } = openWorkspace();
  const env = {
    ...process.env,
    LEGALONE_STAGES: fixtureStages(home, kinds),
    LEGALONE_TIME_SCALE: "0.05",
    NO_COLOR: "1",
  };
  const startWith = (more: NodeJS.ProcessEnv, ...words: string[]) =>
    startProgram(words, { ...env, ...more }, home);
  const start = (...words: string[]) => startWith({}, ...words);
  return {
    home,
    start,
    startWith,
    legalone: (...words) => start(...words).ended,
    pipeline(name, text) {
      const path = join(home, `${name}.yaml`);
      writeFileSync(path, text);
      return path;
    },
    async close() {
      await down(home);
      remove();
    },
  };
}

function fixtureStages(home: string, kinds: readonly string[]): string {
  const root = join(home, "source");
  const stages = join(root, "stages");
  mkdirSync(stages, { recursive: true });
  // Copied: the library looks for its stages beside where it really lies.
  for (const name of ["__init__.py", "requirements.txt", "_worker", "_early", ...kinds]) {
    cpSync(join(packageRoot, "stages", name), join(stages, name), { recursive: true });
  }
  cpSync(join(packageRoot, "test", "fixtures", "stages"), stages, { recursive: true });
  symlinkSync(join(packageRoot, "configs"), join(root, "configs"));
  return stages;
}

/** Starts the compiled program. */
export function startProgram(words: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Running {
  const child = spawn(process.execPath, [join(packageRoot, "dist", "bin.js"), ...words], {
    env,
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const outcome: Outcome = { code: null, stdout: "", stderr: "" };
  const heard = new Set<() => void>();
  child.stdout.on("data", (data: Buffer) => {
    outcome.stdout += data.toString();
    for (const look of heard) look();
  });
  child.stderr.on("data", (data: Buffer) => {
    outcome.stderr += data.toString();
  });
  const ended = new Promise<Outcome>((resolve) => child.on("close", (code) => resolve({ ...outcome, code })));
  return {
    ended,
    saw: () => outcome.stdout,
    interrupt: () => child.kill("SIGINT"),
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (pattern.test(outcome.stdout)) resolve();
        };
        heard.add(look);
        look();
        void ended.then((end) =>
          reject(new Error(`ended with ${end.code} before it said ${pattern}:\n${end.stdout}${end.stderr}`)),
        );
      }),
  };
}
