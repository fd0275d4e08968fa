import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { removeFolder } from "../support/remove-folder.ts";
import { runCli } from "./run-cli.ts";

/** What must fail fails in seconds: `plan` and `train` look at what the stages read before anything is started. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "legalone-early-"));
  const rows = Array.from({ length: 100 }, (_, n) => `{"n": ${n}, "text": "第${n}条", "kind": "a"}\n`).join(
    "",
  );
  mkdirSync(join(folder, "below"));
  writeFileSync(join(folder, "below", "rows.jsonl"), rows);
});
afterAll(() => removeFolder(folder));

/** A pipeline of one corpus with one source. */
function corpus(name: string, source: object): string {
  const file = join(folder, `${name}.yaml`);
  const whole = {
    ...{ name: "news", group: "legal", license: "made up", format: "jsonl", fields: { text: "text" } },
    split: { heldout: { share: 0.2 } },
    ...source,
  };
  const options = { version: 1, about: "Made up.", as_of: "2026-10-01", sources: [whole] };
  const stages = { corpus: { uses: "corpus", with: { corpus: options } } };
  writeFileSync(file, JSON.stringify({ version: 1, name, stages }));
  return file;
}

const path = "${LEGALONE_CORPUS}/below/rows.jsonl";
const environment = () => ({ LEGALONE_CORPUS: folder });

describe("the first rows of a source", () => {
  it("let a sound source through", () => {
    const { code, json, stderr } = runCli(["plan", corpus("sound", { path }), "--json"], environment());
    expect({ code, ...(json() as object) }).toMatchObject({ code: 0, verdict: "ready", warnings: [] });
    expect(stderr).not.toContain("looking at");
  });

  it("refuse a column that no row has, in plan and in train, which starts nothing", () => {
    const file = corpus("column", { path, fields: { text: "txet" } });
    const says = `source news: ${path}:1 has no column txet, which fields.text reads; nor has one of the first 100 rows; expected one of n, text, kind; did you mean text?`;
    const planned = runCli(["plan", file, "--json"], environment());
    expect(planned.code).toBe(3);
    expect(planned.json()).toMatchObject({
      verdict: "blocked",
      missing: [{ what: says, stages: ["corpus"] }],
      stages: [{ action: "BLOCKED", why: says }],
    });
    const shown = runCli(["plan", file], environment()).stdout;
    expect(shown).toContain("cannot run here: corpus would fail, as told below");
    expect(shown).toContain(`BLOCKED:\n  ${says} (corpus)`);
    const train = runCli(["train", file], environment());
    expect(train.code).toBe(3);
    expect(train.stderr).toContain(
      `E_PLAN_REFUSED The plan is blocked; nothing was started.\n  corpus: ${says}`,
    );
    expect(`${shown}${train.stderr}`).not.toContain(folder.concat("/below"));
    const assumed = runCli(["plan", file, "--assume-inputs", "--json"], environment());
    expect(assumed.code).toBe(0);
    expect(assumed.json()).toMatchObject({ verdict: "assumed", assumed: [{ what: says }] });
  });

  it("tell a file that is not there once", () => {
    const { json } = runCli(["plan", corpus("gone", { path: `${path}.gone` }), "--json"], environment());
    expect(json()).toMatchObject({ missing: [{ what: `no ${path}.gone`, stages: ["corpus"] }] });
  });

  it("warn where there is no Python to look with, and refuse nothing", () => {
    const file = corpus("blind", { path, fields: { text: "txet" } });
    const { code, json } = runCli(["plan", file, "--json"], {
      ...environment(),
      LEGALONE_PYTHON: "/nowhere/python",
    });
    expect({ code, ...(json() as object) }).toMatchObject({
      code: 0,
      warnings: [
        `could not look at the first rows of 1 source: there is no /nowhere/python; npm run setup makes it, LEGALONE_PYTHON names another`,
      ],
    });
  });

  it("warn where the look itself breaks", () => {
    const broken = join(folder, "broken");
    writeFileSync(broken, "#!/bin/sh\ncat > /dev/null\necho MemoryError >&2\nexit 1\n", { mode: 0o755 });
    const { code, json } = runCli(["plan", corpus("broken", { path }), "--json"], {
      ...environment(),
      LEGALONE_PYTHON: broken,
    });
    expect({ code, ...(json() as object) }).toMatchObject({
      code: 0,
      warnings: ["could not look at the first rows of 1 source: MemoryError"],
    });
  });
});

describe("the servers of models", () => {
  /** A server in a process of its own: a command line is waited for without an event loop. */
  async function models(...names: string[]) {
    const body = JSON.stringify({ data: names.map((id) => ({ id })) });
    const script = `const s = require("node:http").createServer((_, r) => r.end(${JSON.stringify(body)}));
      s.listen(0, "127.0.0.1", () => console.log(s.address().port))`;
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [port] = (await once(child.stdout, "data")) as [Buffer];
    return { url: `http://127.0.0.1:${String(port).trim()}/v1`, stop: () => child.kill() };
  }
  const model = "Qwen3-235B-A22B-Thinking-2507";

  it("refuse on this machine what does not answer or has another model, and let through what has it", async () => {
    const teacher = await models(model);
    const judge = await models("Qwen3-235B-A22B-Thinking-2506");
    const asked = { LEGALONE_TEACHER_URL: teacher.url, LEGALONE_JUDGE_URL: judge.url };
    const says = `the judge at LEGALONE_JUDGE_URL: it has no model ${model}; expected one of Qwen3-235B-A22B-Thinking-2506; did you mean Qwen3-235B-A22B-Thinking-2506?`;
    try {
      const { code, stdout, json } = runCli(["plan", "pipelines/demo.yaml", "--json"], asked);
      expect({ code, ...(json() as object) }).toMatchObject({
        code: 3,
        missing: [{ what: says, stages: ["lead-judge"] }],
      });
      for (const { url } of [teacher, judge]) expect(stdout).not.toContain(url.split("/")[2]);
    } finally {
      teacher.stop();
      judge.stop();
    }
  });

  it("refuse what train would find out after mid-training, and name no address", () => {
    const { code, stderr } = runCli(["train", "pipelines/demo.yaml"], {
      LEGALONE_TEACHER_URL: "http://127.0.0.1:1/v1",
      LEGALONE_TEACHER_KEY: "sk-0123456789abcdef",
    });
    expect(code).toBe(3);
    expect(stderr).toContain(
      "\n  lead-refine: the teacher at LEGALONE_TEACHER_URL: nobody listens there (connection refused); start or mend it",
    );
    expect(stderr).not.toMatch(/127\.0\.0\.1|sk-0123/);
  });

  it("are a warning where a cluster runs the stages", () => {
    const { json } = runCli(["plan", "pipelines/legalone-8b.yaml", "--assume-inputs", "--json"], {
      LEGALONE_TEACHER_URL: "http://127.0.0.1:1/v1",
    });
    const { warnings, assumed } = json() as { warnings: string[]; assumed: { what: string }[] };
    expect(warnings).toContainEqual(
      expect.stringMatching(/^the teacher at LEGALONE_TEACHER_URL: nobody listens there/),
    );
    expect(assumed.filter(({ what }) => what.includes("TEACHER"))).toEqual([]);
  });
});

describe("a model from outside", () => {
  it("is refused where its folder holds another, by every stage that reads it", () => {
    const model = join(folder, "models", "Qwen3-8B-Base");
    mkdirSync(model, { recursive: true });
    writeFileSync(join(model, "config.json"), '{"model_type": "llama"}');
    const { code, json } = runCli(["plan", "pipelines/legalone-8b.yaml", "--json"], {
      LEGALONE_MODELS: join(folder, "models"),
    });
    expect(code).toBe(3);
    expect((json() as { missing: object[] }).missing).toContainEqual({
      what: `${model}/config.json: expected model_type qwen3, saw llama`,
      stages: ["perplexity", "midtrain", "lexeval", "jecqa"],
    });
  });
});
