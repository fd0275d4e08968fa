import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { packageRoot } from "../../../src/core/paths.ts";
import { Claims } from "../../../src/dispatch/agent/claims.ts";
import { openWorkspace, type TestWorkspace } from "../../support/servers.ts";

/** The worker's half, over a list of checkpoints that was made once and is out of date by the next moment. */
const pruning = `
import sys
from pathlib import Path
from stages._worker.training.pruning import remove_unclaimed
print("up", flush=True)
sys.stdin.readline()
for _ in range(20):
    remove_unclaimed(Path(sys.argv[1]), range(1, int(sys.argv[2]) + 1))
`;
const checkpoints = 300;

let workspace: TestWorkspace;
beforeEach(() => {
  workspace = openWorkspace();
});
afterEach(() => workspace.remove());

test("agent and worker that remove the same checkpoints at once never get in each other's way", async () => {
  const folder = join(workspace.home, "attempts", "attempt");
  const claims = new Claims(folder);
  for (let step = 1; step <= checkpoints; step++) {
    mkdirSync(join(folder, `step-${step}`), { recursive: true });
    writeFileSync(join(folder, `step-${step}`, "manifest.json"), "{}");
  }
  const python = join(packageRoot, ".venv", "bin", "python");
  const worker = spawn(python, ["-c", pruning, folder, String(checkpoints)], { cwd: packageRoot });
  let said = "";
  worker.stderr.on("data", (data: Buffer) => {
    said += data;
  });
  const ended = once(worker, "close");
  await once(worker.stdout, "data");
  worker.stdin.end("\n");
  let taken = 0;
  const warned: unknown[] = [];
  for (let step = checkpoints; step >= 1; step--) {
    if (claims.take(`step-${step}`)) taken++;
    await claims.dropStale(
      checkpoints,
      { keep: 0, keepEvery: null },
      { warn: (message, { error }) => warned.push([message, error]) },
    );
  }
  const [code] = await ended;
  expect({ code, said }).toEqual({ code: 0, said: "" });
  expect(readdirSync(folder)).toEqual(["claims"]);
  expect(readdirSync(join(folder, "claims"))).toEqual([]);
  expect(taken).toBeGreaterThan(0);
  expect(warned).toEqual([]);
});
