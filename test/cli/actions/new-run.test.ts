import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitOf } from "../../../src/cli/actions/new-run.ts";

test("a run's commit is that of its own checkout, and says when files differ from it", () => {
  const folder = mkdtempSync(join(tmpdir(), "legalone-commit-"));
  const git = (...words: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", ...words], {
      encoding: "utf8",
    });
  expect(commitOf(folder)).toBeNull();
  git("init", "-q");
  writeFileSync(join(folder, "a"), "1");
  git("add", "a");
  git("commit", "-q", "-m", "first");
  const commit = git("rev-parse", "HEAD").slice(0, 12);
  expect(commitOf(folder)).toBe(commit);
  writeFileSync(join(folder, "a"), "2");
  expect(commitOf(folder)).toBe(`${commit}-dirty`);
  mkdirSync(join(folder, "inside"));
  expect(commitOf(join(folder, "inside"))).toBeNull();
});
