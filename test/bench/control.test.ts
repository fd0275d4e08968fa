import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";

// The bench calls into the compiled program without types: this tells when it has been left behind.
test("the bench runs a short chain of legalone and reads its commits back", async () => {
  const words = [join(packageRoot, "test/bench/control/run.mjs"), "--only", "legalone", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...words,
    "--steps",
    "3",
    "--submits",
    "2",
  ]);
  const { chain } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  expect(chain).toHaveLength(1);
  expect(chain[0].submitMs).toHaveLength(2);
  for (const list of [chain[0].stageMs, chain[0].committedMs, chain[0].submitMs])
    expect(list.every((ms: number) => ms > 0)).toBe(true);
  expect([chain[0].stageMs.length, chain[0].committedMs.length]).toEqual([2, 2]);
}, 120_000);
