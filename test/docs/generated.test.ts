import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";

it("pages made from code are fresh", () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(packageRoot, "scripts/generate.mjs"), "--check"],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
