import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, inject, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { demoHome, legalone, lines, type StageLine, stageLines, verdict } from "./legalone.ts";

const trained = ["base", "midtrain", "sft", "rl"];

describe("npm run demo", () => {
  it("ends well and says what it made, what stood in, and what to do next", () => {
    const { code, output } = inject("demo");
    expect(code, output.slice(-3000)).toBe(0);
    expect(output).toContain("stand-in");
    expect(output).toMatch(/legalone report r/);
  });

  it("ran every stage once, and every gate held on measured numbers", async () => {
    const shown = await legalone(["status", "latest", "--json"]);
    expect(verdict(shown)).toMatchObject({ type: "verdict", state: "succeeded", exitCode: 0 });
    const stages = stageLines(shown);
    expect(stages.map((stage) => stage.state)).toEqual(stages.map(() => "SUCCEEDED"));
    expect(stages.map((stage) => stage.attempts.map(({ epoch }) => epoch))).toEqual(stages.map(() => [1]));
    const gates = lines(shown).filter((line) => line.type === "gate");
    expect(new Set(gates.map((gate) => gate.stage))).toEqual(new Set(trained));
    expect(gates.every((gate) => gate.passed === true)).toBe(true);
  });

  it("measured perplexity with intervals after every training stage", async () => {
    const stages = stageLines(await legalone(["status", "latest", "--json"]));
    for (const name of trained) {
      const { metrics } = stages.find((stage) => stage.stage === name) as StageLine;
      for (const metric of ["legal_ppl", "general_ppl"]) {
        expect(metrics[`${metric}_lo`]).toBeLessThan(metrics[metric]!);
        expect(metrics[`${metric}_hi`]).toBeGreaterThan(metrics[metric]!);
      }
    }
  });

  it("skips every stage the second time", async () => {
    const again = await legalone(["train", "pipelines/demo.yaml", "--json"]);
    expect(again.code, again.stderr).toBe(0);
    const stages = stageLines(await legalone(["status", "latest", "--json"]));
    expect(stages.map((stage) => stage.state)).toEqual(stages.map(() => "SKIPPED"));
  });

  it("plans nothing more", async () => {
    const plan = await legalone(["plan", "pipelines/demo.yaml", "--json"]);
    expect(plan.code, plan.stderr).toBe(0);
    expect(plan.stdout).not.toContain('"RUN"');
    expect(plan.stdout).toContain('"SKIP"');
  });

  it("shows the mixture that was planned for the packed data", async () => {
    const preview = await legalone(["pas", "preview", "pipelines/demo.yaml", "--json"]);
    expect(preview.code, preview.stderr).toBe(0);
    const planned = JSON.parse(preview.stdout.trim().split("\n").at(-1)!) as {
      orderSha256: string;
      schedule: unknown[];
    };
    const order = join(
      demoHome,
      "attempts",
      midtrainAttempt(await legalone(["status", "--json"])),
      "order",
      "order.json",
    );
    expect(planned.schedule).toHaveLength(360);
    expect(planned.orderSha256).toBe(
      (JSON.parse(readFileSync(order, "utf8")) as { orderSha256: string }).orderSha256,
    );
  });

  it("writes a report that needs no network", async () => {
    const file = join(demoHome, "report.html");
    const written = await legalone(["report", "latest", "--out", file]);
    expect(written.code, written.stderr).toBe(0);
    const html = readFileSync(file, "utf8");
    expect(html).toContain("stand-in");
    expect(html).not.toMatch(/(src|href)="https?:/);
  });

  it("prints what the workers said", async () => {
    const logs = await legalone(["logs", "latest"]);
    expect(logs.code, logs.stderr).toBe(0);
    expect(logs.stdout).toContain("midtrain");
  });

  it("exports a folder that transformers loads", async () => {
    const to = join(demoHome, "delivered");
    const exported = await legalone(["export", "latest", "--to", to, "--force"]);
    expect(exported.code, exported.stderr).toBe(0);
    expect(existsSync(join(to, "model.safetensors"))).toBe(true);
    expect(readFileSync(join(to, "README.md"), "utf8"), "the card quotes the evaluation").toMatch(
      /## Evaluation\n[^#]*\| task \| items \| chance \| base \|/,
    );
    const script = [
      "import sys, torch",
      "from transformers import AutoModelForCausalLM, AutoTokenizer",
      "tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])",
      "model = AutoModelForCausalLM.from_pretrained(sys.argv[1])",
      "chat = [{'role': 'user', 'content': '故意杀人的，如何处罚？'}]",
      "ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors='pt')",
      "print(tokenizer.decode(model.generate(ids, max_new_tokens=24, do_sample=False)[0]))",
    ].join("\n");
    const loaded = await execa(join(packageRoot, ".venv-torch", "bin", "python"), ["-c", script, to], {
      reject: false,
    });
    expect(loaded.exitCode, loaded.stderr).toBe(0);
    expect(loaded.stdout).toContain("<think>");
  });
});

/** The attempt that trained midtrain in the oldest run of the list. */
function midtrainAttempt(list: Awaited<ReturnType<typeof legalone>>): string {
  const oldest = lines(list)
    .filter((line) => line.type === "run")
    .at(-1)!;
  return `${String(oldest.run)}-midtrain-g1-s0-e1`;
}
