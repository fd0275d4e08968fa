import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { packageRoot } from "../../src/core/paths.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";
import { type StepOutcome, WorkflowJob } from "./workflow-job.ts";

const training = ["Start, or find, the run of this commit", "Wait for the verdict", "Report"];

describe("ci/github.yml", () => {
  let workspace: TestWorkspace;
  let job: WorkflowJob;

  beforeAll(() => {
    workspace = openWorkspace();
    job = new WorkflowJob();
    writePipeline(1);
  });
  afterAll(() => {
    spawnSync(process.execPath, [join(packageRoot, "dist", "bin.js"), "down", "--workers", "--grace", "1"], {
      env: environment(),
    });
    job.remove();
    workspace.remove();
  });

  const environment = () => ({
    ...process.env,
    LEGALONE_HOME: workspace.home,
    LEGALONE_OWNER_PID: String(process.pid),
    NO_COLOR: "1",
  });

  /** A pipeline of one stage that needs no training: documents of the repository, cleaned and split. */
  function writePipeline(documents: number): void {
    const folder = join(job.repository, "documents");
    mkdirSync(folder, { recursive: true });
    mkdirSync(join(job.repository, "pipelines"), { recursive: true });
    const lines = Array.from({ length: 40 }, (_, n) => JSON.stringify({ text: textOf(n) }));
    writeFileSync(join(folder, "law.jsonl"), `${lines.join("\n")}\n`);
    const corpus = {
      version: 1,
      about: "Forty sentences.",
      as_of: "2026-01-01",
      sources: [
        {
          name: "law",
          group: "legal",
          license: "CC0-1.0",
          format: "jsonl",
          path: join(folder, "law.jsonl"),
          fields: { text: "text" },
          split: { heldout: { share: 0.3 } },
        },
      ],
    };
    const stages = {
      corpus: { uses: "corpus", with: { corpus }, gate: { metric: "documents", at_least: documents } },
    };
    writeFileSync(
      join(job.repository, "pipelines", "train.yaml"),
      stringify({ version: 1, name: "ci-example", stages }),
    );
  }

  const run = (sha: string, event: "push" | "pull_request" = "push") =>
    job.run({
      event,
      sha,
      env: { LEGALONE_HOME: workspace.home, LEGALONE_OWNER_PID: String(process.pid), NO_COLOR: "1" },
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
    const outcomes = run("aaa", "pull_request");
    const steps = byName(outcomes);
    expect(steps.Validate, steps.Validate?.output).toMatchObject({ ran: true, code: 0 });
    expect(steps.Plan, steps.Plan?.output).toMatchObject({ ran: true, code: 0 });
    expect(steps.Plan?.output).toContain("corpus");
    expect(training.map((name) => steps[name]?.ran)).toEqual([false, false, false]);
    expect(existsSync(join(workspace.home, "serve.json"))).toBe(false);
  });

  it("trains on a push, finds the same run again in a repeated job, and reports it", () => {
    const first = byName(run("bbb"));
    for (const name of training)
      expect(first[name], `${name}: ${first[name]?.output}`).toMatchObject({ code: 0 });
    expect(readFileSync(join(job.repository, "report", "report.html"), "utf8")).toContain("ci-example");
    const { run: id, state } = reported();
    expect(state).toBe("succeeded");
    const again = byName(run("bbb"));
    expect(again["Wait for the verdict"]?.code).toBe(0);
    expect(reported().run).toBe(id);
  });

  it("fails with the run's exit code when a gate does not hold, and still reports", () => {
    writePipeline(1_000_000);
    const steps = byName(run("ccc"));
    expect(steps["Wait for the verdict"], steps["Wait for the verdict"]?.output).toMatchObject({ code: 10 });
    expect(steps.Report).toMatchObject({ ran: true, code: 0 });
    expect(reported().state).toBe("gate_failed");
  });
});

/** Chinese sentences that no filter drops and no two of which are near-duplicates. */
function textOf(n: number): string {
  const places = "北京上海天津重庆广州深圳成都武汉西安南京";
  const pick = (step: number) => places[(n * step + 7) % places.length]!;
  return `第${n + 1}条${pick(3)}${pick(7)}当事人应当在${n + 2}日内向${pick(11)}${pick(13)}人民法院提出申请，逾期${n * 31 + 5}日不予受理。`;
}
