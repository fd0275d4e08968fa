import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readStageKind, stageKindNames, stageKindSchema } from "../../src/config/stage-kind.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { fencedBlocks, readText, tableRows } from "../support/markdown.ts";

const page = readText("docs/stages.md");

describe("docs/stages.md", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "legalone-stages-"));
    cpSync(join(packageRoot, "stages", "_worker"), join(root, "stages", "_worker"), { recursive: true });
    const folder = join(root, "stages", "word_count");
    mkdirSync(folder);
    writeFileSync(join(root, "stages", "__init__.py"), "");
    writeFileSync(join(folder, "__init__.py"), "");
    writeFileSync(join(folder, "stage.yaml"), fencedBlocks(page, "yaml stage")[0]!);
    writeFileSync(join(folder, "run.py"), fencedBlocks(page, "python stage")[0]!);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("names every key of stage.yaml", () => {
    const keys = tableRows(page, "key").map(([key]) => key!.replaceAll("`", ""));
    expect(keys.sort()).toEqual(Object.keys(stageKindSchema.shape).sort());
  });

  it("shows a stage kind that the control plane reads", () => {
    expect(stageKindNames(root)).toEqual(["word-count"]);
    const read = readStageKind("word-count", root);
    expect(read.problems).toEqual([]);
    expect(read.kind).toMatchObject({ name: "word-count", model: false, outputs: [{ kind: "counts" }] });
  });

  it("shows a worker that runs and commits", () => {
    const corpus = join(root, "corpus");
    mkdirSync(join(corpus, "documents", "train"), { recursive: true });
    const texts = ["law law court", "court law fact"];
    const lines = texts.map((text, id) => JSON.stringify({ id: String(id), text }));
    writeFileSync(join(corpus, "documents", "train", "legal.jsonl"), `${lines.join("\n")}\n`);
    const job = {
      protocol: 1,
      run: "r1",
      stage: "words",
      stageId: "r1-words-g1",
      kind: "word-count",
      shard: 0,
      shards: 1,
      attempt: "r1-words-g1-s0-e1",
      epoch: 1,
      inputs: [{ kind: "corpus", stage: "corpus", uri: `file://${corpus}`, sha256: null }],
      with: {},
      seed: 1,
      folder: root,
      output: join(root, "output"),
      events: join(root, "events.jsonl"),
    };
    writeFileSync(join(root, "job.json"), JSON.stringify(job));
    const python = join(packageRoot, ".venv-test", "bin", "python");
    execFileSync(python, ["-m", "stages.word_count.run", "--job", join(root, "job.json")], { cwd: root });
    expect(JSON.parse(readFileSync(join(root, "output", "counts", "counts.json"), "utf8"))).toEqual({
      law: 3,
      court: 2,
    });
    const last = readFileSync(join(root, "events.jsonl"), "utf8").trim().split("\n").at(-1)!;
    expect(JSON.parse(last)).toMatchObject({ status: "succeeded", metrics: { words: 6, distinct: 3 } });
  });
});
