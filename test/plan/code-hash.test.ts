import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { JsonObject } from "../../src/config/types.ts";
import { codeHash } from "../../src/plan/code-hash.ts";

let root: string;
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const hash = (kind = "lead-judge", external: string[] = [], options: JsonObject = {}) =>
  codeHash({ kind, prepare: null, external, with: options }, root);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "legalone-code-"));
  write("stages/requirements.txt", "numpy==2");
  write("stages/_worker/job.py", "x = 1");
  write("stages/_lead/client.py", "y = 1");
  write("stages/lead_judge/run.py", "from stages._lead.client import y\n");
  write("stages/corpus/run.py", "import json\n");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("code hash", () => {
  it.each([
    ["the kind", "stages/lead_judge/run.py", "from stages._lead.client import y\nz = 1\n"],
    ["the worker library", "stages/_worker/job.py", "x = 2"],
    ["the lock", "stages/requirements.txt", "numpy==3"],
    ["a folder it imports from", "stages/_lead/client.py", "y = 2"],
    ["a new file", "stages/lead_judge/extra.py", ""],
  ])("changes with %s", (_, path, text) => {
    const before = hash();
    write(path, text);
    expect(hash()).not.toBe(before);
  });

  it("changes when a stand-in answers in place of a model", () => {
    const lead = { lead: { teacher: { base_url_env: "LEGALONE_TEST_TEACHER", stand_in: "scripted" } } };
    const standIn = hash("lead-judge", [], lead);
    vi.stubEnv("LEGALONE_TEST_TEACHER", "http://127.0.0.1:1/v1");
    expect(hash("lead-judge", [], lead)).not.toBe(standIn);
    vi.unstubAllEnvs();
    expect(hash("lead-judge", [], lead)).toBe(standIn);
  });

  it("does not change with compiled files or other kinds", () => {
    const before = hash("corpus");
    write("stages/corpus/__pycache__/run.cpython-311.pyc", "bytes");
    write("stages/_lead/client.py", "y = 2");
    expect(hash("corpus")).toBe(before);
  });

  it("does not change with the early look, nor with what that imports", () => {
    const before = hash("corpus");
    write("stages/corpus/early.py", "from stages._lead.client import y\n");
    expect(hash("corpus")).toBe(before);
  });

  it("changes with the content of a source from outside, not with its folder", () => {
    const [one, two] = ["a", "b"].map((name) => join(root, name, "source.jsonl"));
    for (const path of ["a/source.jsonl", "b/source.jsonl"]) write(path, "{}\n");
    const before = hash("corpus", [one!]);
    expect(hash("corpus", [two!])).toBe(before);
    write("a/source.jsonl", "{}\n{}\n");
    expect(hash("corpus", [one!])).not.toBe(before);
  });
});
