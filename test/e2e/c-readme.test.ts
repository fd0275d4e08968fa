import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { legalone } from "./legalone.ts";

const readme = readFileSync(join(packageRoot, "README.md"), "utf8");
const commands = [...readme.matchAll(/^\$ npx legalone (.+)$/gm)].map((match) => match[1]!);
const scripts = [...readme.matchAll(/^npm (?:run )?(\w+)/gm)].map((match) => match[1]!);

/** The commands that the README shows, on the run that the demo made. */
describe("README", () => {
  it("shows commands", () => {
    expect(commands.length).toBeGreaterThan(5);
  });

  it.each(commands)("legalone %s", async (line) => {
    const shown = await legalone(line.split(/\s+/));
    expect(shown.code, shown.stdout.slice(-1000) + shown.stderr).toBe(0);
    expect(shown.stdout.trim()).not.toBe("");
  });

  it("names npm scripts that exist", () => {
    const known = (JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { scripts: object })
      .scripts;
    expect(scripts).not.toHaveLength(0);
    for (const script of scripts) expect(known).toHaveProperty(script);
  });
});
