import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parse } from "yaml";
import { packageRoot } from "../../src/core/paths.ts";

interface Step {
  name?: string;
  id?: string;
  if?: string;
  uses?: string;
  run?: string;
  env?: Record<string, string>;
}

/** What happened to a step. A step that uses an action has no code. */
export interface StepOutcome {
  name: string;
  ran: boolean;
  code: number | null;
  output: string;
}

/** A step that takes longer hangs: it is ended and has no code. */
const stepLimitMs = 60_000;

export interface JobOptions {
  event: "push" | "pull_request";
  sha: string;
  /** Environment beside the job's own. */
  env: Record<string, string>;
}

/**
 * Runs the `run:` steps of ci/github.yml in a repository folder the way a runner does: bash with -eo pipefail, the
 * files behind GITHUB_ENV, GITHUB_PATH and GITHUB_OUTPUT, conditions, and no further steps after a failure.
 * Actions are not run: the checkouts are the folder and a link to this checkout, set-up is done before any test.
 * An expression this file does not know is an error.
 */
export class WorkflowJob {
  readonly repository: string;
  private readonly temporary = mkdtempSync(join(tmpdir(), "legalone-ci-"));
  private readonly job: { env: Record<string, string>; steps: Step[] };

  constructor() {
    this.repository = join(this.temporary, "repository");
    mkdirSync(join(this.repository, "legalone"), { recursive: true });
    symlinkSync(join(packageRoot, "dist"), join(this.repository, "legalone", "dist"));
    // Installing would replace the packages this test runs with; that `npm run setup` exists is all that counts here.
    const { scripts } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const setup = scripts.setup === undefined ? {} : { setup: "node --version" };
    writeFileSync(join(this.repository, "legalone", "package.json"), JSON.stringify({ scripts: setup }));
    const workflow = parse(readFileSync(join(packageRoot, "ci", "github.yml"), "utf8")) as {
      jobs: { train: { env: Record<string, string>; steps: Step[] } };
    };
    this.job = workflow.jobs.train;
  }

  /** One job on a fresh runner. */
  run({ event, sha, env }: JobOptions): StepOutcome[] {
    const runner = mkdtempSync(join(this.temporary, "runner-"));
    const file = (name: string) => {
      const path = join(runner, name);
      writeFileSync(path, "");
      return path;
    };
    const files = {
      GITHUB_PATH: file("path"),
      GITHUB_OUTPUT: file("output"),
      GITHUB_STEP_SUMMARY: file("summary"),
    };
    const values = new Map<string, string>([
      ["inputs.pipeline || 'pipelines/train.yaml'", "pipelines/train.yaml"],
      ["github.repository", "example/legal"],
      ["github.sha", sha],
      ["github.event_name != 'pull_request'", event === "pull_request" ? "" : "true"],
      ["secrets.LEGALONE_DATABASE_URL", ""],
      ["vars.LEGALONE_SERVE_URL", ""],
    ]);
    const outcomes: StepOutcome[] = [];
    let failed = false;
    for (const step of this.job.steps) {
      const name = step.name ?? step.uses ?? "";
      const wanted = condition(step.if, failed, values);
      if (!wanted || step.run === undefined) {
        outcomes.push({ name, ran: wanted, code: null, output: "" });
        continue;
      }
      const path = readFileSync(files.GITHUB_PATH, "utf8").trim().split("\n").reverse();
      const done = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run], {
        cwd: this.repository,
        timeout: stepLimitMs,
        encoding: "utf8",
        env: {
          ...process.env,
          ...filled({ ...this.job.env, ...step.env }, values),
          ...files,
          ...env,
          GITHUB_WORKSPACE: this.repository,
          RUNNER_TEMP: runner,
          PATH: [...path.filter((part) => part !== ""), process.env.PATH].join(delimiter),
        },
      });
      outcomes.push({ name, ran: true, code: done.status, output: done.stdout + done.stderr });
      failed ||= done.status !== 0;
      if (step.id !== undefined) {
        for (const line of readFileSync(files.GITHUB_OUTPUT, "utf8").split("\n")) {
          const [key, ...value] = line.split("=");
          if (key) values.set(`steps.${step.id}.outputs.${key}`, value.join("="));
        }
      }
    }
    return outcomes;
  }

  remove(): void {
    rmSync(this.temporary, { recursive: true, force: true });
  }
}

/** Whether a step runs. Without `always()` a failure before it means no. */
function condition(text: string | undefined, failed: boolean, values: Map<string, string>): boolean {
  if (text === undefined) return !failed;
  const terms = text.split(" && ");
  const always = terms.includes("always()");
  const rest = terms.filter((term) => term !== "always()");
  return (always || !failed) && rest.every((term) => expressionValue(term, values) !== "");
}

function filled(env: Record<string, string>, values: Map<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, text]) => [
      name,
      text.replaceAll(/\$\{\{ (.*?) \}\}/g, (_, expression: string) => expressionValue(expression, values)),
    ]),
  );
}

/** An output that no step has set is empty, as on a runner. */
function expressionValue(expression: string, values: Map<string, string>): string {
  const value = values.get(expression);
  if (value !== undefined) return value;
  if (/^steps\.\w+\.outputs\.\w+$/.test(expression)) return "";
  throw new Error(`ci/github.yml uses \${{ ${expression} }}, which this test does not know`);
}
