import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitCodeOf } from "../../src/cli/actions/doctor.ts";
import { fail, ok, unreachable, warn } from "../../src/cli/doctor/check.ts";
import { memory, nodeVersion, platformLevel } from "../../src/cli/doctor/machine.ts";
import { pythonChecks, pythonVersion } from "../../src/cli/doctor/python.ts";
import { storeChecks } from "../../src/cli/doctor/stores.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { startValkey, stopValkey } from "../../src/services/valkey.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
beforeAll(() => {
  workspace = openWorkspace();
});
afterAll(async () => {
  await Promise.all([stopPostgres(workspace.home), stopValkey(workspace.home)]);
  workspace.remove();
});

const statuses = (checks: { name: string; status: string }[]) =>
  Object.fromEntries(checks.map(({ name, status }) => [name, status]));

test("versions and platforms are judged", () => {
  expect(["20.18.3", "20.19.0", "21.0.0", "18.20.0"].map((v) => nodeVersion(v).status)).toEqual([
    "fail",
    "ok",
    "ok",
    "fail",
  ]);
  expect(["3.9.1", "3.10.0", "3.12.4", "3.13.0"].map((v) => pythonVersion(v, "p").status)).toEqual([
    "fail",
    "ok",
    "ok",
    "fail",
  ]);
  expect(["linux-x64", "darwin-arm64", "win32-x64"].map((p) => platformLevel(p).status)).toEqual([
    "ok",
    "warn",
    "fail",
  ]);
  expect([8, 2].map((gib) => memory(gib * 2 ** 30).status)).toEqual(["ok", "warn"]);
});

test("a server that does not answer is 9, anything else missing 2, a warning nothing", () => {
  expect(exitCodeOf([ok("a", ""), warn("b", "", "f")])).toBe(0);
  expect(exitCodeOf([fail("a", "", "f")])).toBe(2);
  expect(exitCodeOf([fail("a", "", "f"), unreachable("b", "", "f")])).toBe(9);
});

test("this checkout's Python and MindSpore are found", async () => {
  expect(statuses(await pythonChecks(false))).toEqual({ python: "ok", mindspore: "ok" });
});

test("a Python that is not there names its fix", async () => {
  process.env.LEGALONE_PYTHON = "/no/such/python";
  const [check] = await pythonChecks(false);
  delete process.env.LEGALONE_PYTHON;
  expect(check).toMatchObject({
    name: "python",
    status: "fail",
    fix: expect.stringContaining("npm run setup"),
  });
});

describe("stores", () => {
  test("the embedded ones, before and after they run", async () => {
    const { home } = workspace;
    const before = await storeChecks(home);
    expect(statuses(before)).toEqual({ postgres: "ok", database: "ok", valkey: "ok", queue: "ok" });
    expect(before.find(({ name }) => name === "database")?.seen).toContain("legalone up");
    await Promise.all([startPostgres(home), startValkey(home)]);
    const after = await storeChecks(home);
    expect(after.find(({ name }) => name === "database")?.seen).toMatch(/PostgreSQL 18.* answers/);
    expect(after.find(({ name }) => name === "queue")?.seen).toContain("noeviction");
  });

  test("servers that are named and do not answer fail, without their password", async () => {
    process.env.LEGALONE_DATABASE_URL = "postgresql://ann:secret@127.0.0.1:1/x";
    process.env.LEGALONE_REDIS_URL = "redis://:secret@127.0.0.1:1";
    const checks = await storeChecks(workspace.home);
    delete process.env.LEGALONE_DATABASE_URL;
    delete process.env.LEGALONE_REDIS_URL;
    expect(statuses(checks)).toEqual({ database: "fail", queue: "fail" });
    expect(exitCodeOf(checks)).toBe(9);
    expect(JSON.stringify(checks)).not.toContain("secret");
  });
});

test("the command prints one JSON object", async () => {
  const child = spawn(process.execPath, [join(packageRoot, "dist", "bin.js"), "doctor", "--json"]);
  let out = "";
  for await (const chunk of child.stdout) out += chunk;
  const told = JSON.parse(out) as { ok: boolean; checks: { name: string; status: string; fix?: string }[] };
  expect(told.checks.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["node", "python", "postgres", "valkey", "serve"]),
  );
  for (const check of told.checks) if (check.status !== "ok") expect(check.fix).toBeTruthy();
});
