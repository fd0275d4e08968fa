import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { packageRoot } from "../../src/core/paths.ts";
import { postgresSocketFolder } from "../../src/services/addresses.ts";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";
import { type JobOptions, type StepOutcome, WorkflowJob } from "./workflow-job.ts";

const training = ["Start, or find, the run of this commit", "Wait for the verdict", "Report"];

describe("ci/github.yml", { timeout: 90_000 }, () => {
  let cli: CommandLine;
  let job: WorkflowJob;

  beforeAll(() => {
    cli = openCommandLine();
    job = new WorkflowJob();
    writePipeline(100);
  });
  afterAll(async () => {
    job.remove();
    await cli.close();
  });

  /** A whole pipeline of stages that count instead of training; the model has to be better than `ppl`. */
  function writePipeline(ppl: number): void {
    const stages = {
      data: { uses: "make-data" },
      train: {
        uses: "tiny-train",
        needs: ["data"],
        with: { steps: 5, legal_ppl: 50 },
        gate: { metric: "legal_ppl", below: ppl },
      },
      deliver: { uses: "deliver", needs: ["train"] },
    };
    mkdirSync(join(job.repository, "pipelines"), { recursive: true });
    writeFileSync(
      join(job.repository, "pipelines", "train.yaml"),
      stringify({ version: 1, name: "ci-example", stages }),
    );
  }

  /** One job on a runner that is itself the machine it trains on. */
  const run = (sha: string, { event = "push", env = {} }: Partial<JobOptions> = {}) =>
    job.run({
      event,
      sha,
      env: {
        LEGALONE_STAGES: join(cli.home, "source", "stages"),
        LEGALONE_TIME_SCALE: "0.01",
        NO_COLOR: "1",
        ...env,
      },
    });
  const byName = (outcomes: StepOutcome[]) => Object.fromEntries(outcomes.map((step) => [step.name, step]));
  const reported = () =>
    JSON.parse(
      readFileSync(join(job.repository, "report", "status.jsonl"), "utf8")
        .trim()
        .split("\n")
        .at(-1)!,
    ) as { run: string; state: string };

  it("fits the schema of GitHub workflows", () => {
    const checker = join(packageRoot, ".venv-test", "bin", "check-jsonschema");
    const file = join(packageRoot, "ci", "github.yml");
    expect(spawnSync(checker, ["--builtin-schema", "vendor.github-workflows", file]).status).toBe(0);
  });

  it("validates and plans a pull request, and starts nothing", () => {
    const outcomes = run("aaa", { event: "pull_request" });
    const steps = byName(outcomes);
    expect(steps.Validate, steps.Validate?.output).toMatchObject({ ran: true, code: 0 });
    expect(steps.Plan, steps.Plan?.output).toMatchObject({ ran: true, code: 0 });
    expect(steps.Plan?.output).toContain("tiny-train");
    expect(training.map((name) => steps[name]?.ran)).toEqual([false, false, false]);
    expect(existsSync(join(cli.home, "serve.json"))).toBe(false);
  });

  it("trains on a push and reports the run", () => {
    const steps = byName(run("bbb"));
    for (const name of training)
      expect(steps[name], `${name}: ${steps[name]?.output}`).toMatchObject({ code: 0 });
    expect(readFileSync(join(job.repository, "report", "report.html"), "utf8")).toContain("ci-example");
    expect(reported().state).toBe("succeeded");
  });

  it("finds the same run again in a repeated job, whose runner starts nothing when the control plane is elsewhere", () => {
    const { run: id } = reported();
    const { address } = JSON.parse(readFileSync(join(cli.home, "serve.json"), "utf8")) as { address: string };
    const runner = join(cli.home, "runner");
    const env = {
      LEGALONE_HOME: runner,
      LEGALONE_SERVE_URL: address,
      LEGALONE_DATABASE_URL: `postgresql://legalone@localhost/legalone?host=${postgresSocketFolder(cli.home)}`,
    };
    const steps = byName(run("bbb", { env }));
    expect(steps["Wait for the verdict"], steps["Wait for the verdict"]?.output).toMatchObject({ code: 0 });
    expect(reported().run).toBe(id);
    expect(existsSync(runner)).toBe(false);
  });

  it("fails with the run's exit code when a gate does not hold, and still reports", () => {
    writePipeline(10);
    const steps = byName(run("ccc"));
    expect(steps["Wait for the verdict"], steps["Wait for the verdict"]?.output).toMatchObject({ code: 10 });
    expect(steps.Report).toMatchObject({ ran: true, code: 0 });
    expect(reported().state).toBe("gate_failed");
  });
});
