import { appendFileSync, mkdirSync, mkdtempSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WorkerOutput } from "../../src/cli/actions/worker-output.ts";
import { removeFolder } from "../support/remove-folder.ts";

const attempt = { id: "r1-a-g1-s0-e1", nodeId: "n" };
let home: string;
let folder: string;
let log: string;
let shown: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legalone-output-"));
  vi.stubEnv("LEGALONE_HOME", home);
  folder = join(home, "attempts", attempt.id);
  mkdirSync(folder, { recursive: true });
  log = join(folder, "stdout.log");
  shown = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    shown += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  removeFolder(home);
});

test.each([false, true])("no secret is shown, also one that comes in two parts (--json: %s)", (json) => {
  const output = new WorkerOutput({ stdout: true, json }, ["hunter-two-secret"]);
  writeFileSync(log, "key hunter-two-secret\nsk-abcdefghijklmnopqrstuv\nhunter-");
  output.begin(attempt, 10);
  appendFileSync(log, "two-secret and more");
  output.more();
  appendFileSync(log, "\nlast hunter-two-");
  output.more();
  appendFileSync(log, "secret");
  output.more();
  output.end();
  const text = json
    ? shown
        .split("\n")
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { text: string }).text)
        .join("")
    : shown;
  expect(text).toBe("key ***\n***\n*** and more\nlast ***");
});

test("a line without an end is shown when nothing more of it comes", () => {
  const output = new WorkerOutput({ stdout: true }, []);
  writeFileSync(log, "");
  output.begin(attempt, 10);
  appendFileSync(log, "50 %");
  output.more();
  expect(shown).toBe("");
  output.more();
  expect(shown).toBe("50 %");
  output.end();
  expect(shown).toBe("50 %");
});

test("a link in the place of the attempt's folder shows nothing", () => {
  const elsewhere = join(home, "elsewhere");
  renameSync(folder, elsewhere);
  writeFileSync(join(elsewhere, "stdout.log"), "somebody's\n");
  symlinkSync(elsewhere, folder);
  const output = new WorkerOutput({ stdout: true }, []);
  output.begin(attempt, 10);
  output.more();
  output.end();
  expect([shown, output.isHere()]).toEqual(["", false]);
});
