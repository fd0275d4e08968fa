import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { runCli } from "./run-cli.ts";

describe("legalone", () => {
  it("prints its version, and the help of itself and of a command", () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
      version: string;
    };
    expect(runCli(["--version"]).stdout.trim()).toBe(version);
    expect(runCli(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("validate") });
    expect(runCli(["help", "plan"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("--assume-inputs"),
    });
  });

  it.each([
    ["a command that is not there", ["vlidate"], /Did you mean validate/],
    ["an option that is not there", ["validate", "x.yaml", "--jsno"], /Did you mean --json/],
    ["a missing argument", ["validate"], /missing required argument 'file'/],
    ["no command", [], /Usage: legalone/],
  ])("ends with 2 for %s", (_, words, message) => {
    const { code, stderr } = runCli(words);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it("prints errors as JSON with --json, and nothing else", () => {
    const missing = runCli(["validate", "none.yaml", "--json"]);
    expect(missing.code).toBe(2);
    expect(missing.json()).toMatchObject({ error: { code: "E_FILE_MISSING", hint: expect.any(String) } });
    const usage = runCli(["--json", "validate"]);
    expect(usage.json()).toMatchObject({
      error: { code: "E_USAGE", message: expect.stringContaining("file") },
    });
    expect(usage.stderr).toBe("");
  });

  it("survives a reader that leaves", () => {
    const command = `"${process.execPath}" dist/bin.js pas preview test/cli/fixtures/spec.yaml --json | head -c 10`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: packageRoot, encoding: "utf8" });
    expect([stdout.length, stderr]).toEqual([10, ""]);
  });

  it("starts in at most 1.6 times of a bare Node", () => {
    const time = (...words: string[]) => {
      const start = performance.now();
      spawnSync(process.execPath, words, { stdio: "ignore" });
      return performance.now() - start;
    };
    // Others work on this machine too: the fastest of each counts, and a loaded machine gets more turns.
    const fastest = { bare: Number.POSITIVE_INFINITY, help: Number.POSITIVE_INFINITY };
    for (let turn = 0; turn < 60 && (turn < 5 || fastest.help / fastest.bare >= 1.6); turn++) {
      fastest.bare = Math.min(fastest.bare, time("-e", "0"));
      fastest.help = Math.min(fastest.help, time(join(packageRoot, "dist/bin.js"), "--help"));
    }
    expect(fastest.help / fastest.bare).toBeLessThan(1.6);
  });
});
