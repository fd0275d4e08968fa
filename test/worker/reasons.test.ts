import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { budgetOf, causeOf, isReason, type Reason, reasonOfExitCode } from "../../src/worker/reasons.ts";

const reasons = Object.keys(causeOf) as Reason[];

test("every reason has a cause but the one that is no failure", () => {
  expect(reasons.filter((reason) => causeOf[reason] === null)).toEqual(["completed"]);
});

test("exit codes and reasons are those of the Python library", () => {
  const script = `import json
from stages._worker.failures import WorkerFailure
print(json.dumps([[c.exit_code, c.reason] for c in [WorkerFailure, *WorkerFailure.__subclasses__()]]))`;
  const python = join(packageRoot, ".venv", "bin", "python");
  const told = JSON.parse(execFileSync(python, ["-c", script], { cwd: packageRoot, encoding: "utf8" })) as [
    number,
    string,
  ][];
  expect(told.length).toBeGreaterThan(5);
  for (const [code, reason] of told) {
    expect(isReason(reason), reason).toBe(true);
    expect(reasonOfExitCode(code), reason).toBe(reason);
  }
});

test("an exit code outside the table is a bug", () => {
  for (const code of [1, 2, 42, 255]) expect(reasonOfExitCode(code)).toBe("crashed");
});

test("names of objects are no reasons", () => {
  for (const word of ["toString", "constructor", "", "Completed"]) expect(isReason(word)).toBe(false);
});

test("what an operator did is never retried; a full node is, a wrong file is not", () => {
  expect(budgetOf("OPERATOR")).toBeNull();
  expect(budgetOf("NODE")).toBe("infra");
  expect(budgetOf("DATA")).toBe("user");
  expect(budgetOf("NUMERIC")).toBe("numeric");
  expect(budgetOf("CAPACITY")).toBe("capacity");
});
