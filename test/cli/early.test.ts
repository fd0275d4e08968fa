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
    const says = `source news: ${path}:1 has no column txet, which fields.text reads; nor has one of the first 64 rows; expected one of n, text, kind; did you mean text?`;
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
