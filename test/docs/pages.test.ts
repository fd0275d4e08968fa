import { existsSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { causeOf } from "../../src/worker/reasons.ts";
import { readText, tableRows } from "../support/markdown.ts";

const pages = [
  "README.md",
  "ARCHITECTURE.md",
  "AGENTS.md",
  "CONTRIBUTING.md",
  "docker/README.md",
  ...readdirSync(join(packageRoot, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
].filter((page) => existsSync(join(packageRoot, page)));

/** Whether a path named in a page is there: whole, or as the beginning of names (`docs/mechanisms/*`). */
const isThere = (path: string) => existsSync(join(packageRoot, path.replace(/\/?\*.*$/, "")));

describe("the pages", () => {
  it("are as short as they promise", () => {
    expect(readText("AGENTS.md").split("\n").length).toBeLessThanOrEqual(101);
    expect(readText("ARCHITECTURE.md").split("\n").length).toBeLessThanOrEqual(151);
  });

  it.each(pages)("%s links to pages that exist", (page) => {
    const links = [...readText(page).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map((match) => match[1]!);
    const broken = links.filter(
      (link) => !/^[a-z]+:/.test(link) && !isThere(normalize(join(dirname(page), link))),
    );
    expect(broken).toEqual([]);
  });

  it.each(pages)("%s names folders and files that exist", (page) => {
    const prose = readText(page).replaceAll(/^```[\s\S]*?^```$/gm, "");
    const named = [
      ...prose.matchAll(
        /(?<![\w/.<>-])(?:src|stages|test|configs|docker|docs|scripts|prisma|ci|pipelines)\/[\w./*-]*[\w*/]/g,
      ),
    ];
    // docs/stages.md shows how a folder that is not there comes to be.
    const missing = named
      .map((match) => match[0])
      .filter((path) => !path.startsWith("stages/word_count/") && !isThere(path));
    expect([...new Set(missing)]).toEqual([]);
  });

  it.each(pages)("%s names npm scripts that exist", (page) => {
    const { scripts } = JSON.parse(readText("package.json")) as { scripts: Record<string, string> };
    const named = [...readText(page).matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

describe("docs/mechanisms/attempts.md", () => {
  it("gives every reason the cause that the program gives it", () => {
    const rows = tableRows(readText("docs/mechanisms/attempts.md"), "cause");
    const told = rows.flatMap(([cause, reasons]) =>
      [...reasons!.matchAll(/`(\w+)`/g)].map((match) => [match[1]!, cause!] as const),
    );
    const known = Object.entries(causeOf).filter(([, cause]) => cause !== null);
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(known));
  });
});
