import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/core/paths.ts";

/** Text of a file of the checkout. */
export function readText(path: string): string {
  return readFileSync(join(packageRoot, path), "utf8");
}

/**
 * The fenced blocks of a page whose info string is exactly `info`, without their fences.
 * @throws Error when there is none: a test that checks an example must not pass because the example is gone
 */
export function fencedBlocks(markdown: string, info: string): string[] {
  const found = [...markdown.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === info)
    .map((match) => match[2]!);
  if (found.length === 0) throw new Error(`no block \`\`\`${info}`);
  return found;
}

/** Rows of the table whose header begins with `first`, as trimmed cells. */
export function tableRows(markdown: string, first: string): string[][] {
  const lines = markdown.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  if (start < 0) throw new Error(`no table with a first column "${first}"`);
  const rows: string[][] = [];
  for (let i = start + 2; lines[i]?.startsWith("|"); i++) {
    rows.push(
      lines[i]!.split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  }
  return rows;
}
