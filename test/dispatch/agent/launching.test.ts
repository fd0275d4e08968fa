import { mkdirSync, mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { dataFolder, modelsFolder } from "../../../src/core/paths.ts";
import { variableHider } from "../../../src/core/variables.ts";
import { launchOf, localPrograms, workerEnvironment } from "../../../src/dispatch/agent/launching.ts";
import type { LaunchSpec } from "../../../src/dispatch/api/contract.ts";
import { ProcessEngine } from "../../../src/dispatch/process/process-engine.ts";
import { removeFolder } from "../../support/remove-folder.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legalone-test-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  removeFolder(home);
});

const attempt = "r1-sft-g1-s0-e1";
const spec: LaunchSpec = {
  attempt,
  epoch: 1,
  engine: "process",
  node: "n",
  kind: "sft",
  job: { inputs: [] },
  env: {},
  graceSeconds: 1,
};
const launched = (more: Partial<LaunchSpec>) => launchOf({ ...spec, ...more }, home, localPrograms());

test("a worker sees the base of its agent's environment and what its job may name, and no secret of anybody", async () => {
  const secrets = {
    LEGALONE_TOKEN: "t",
    LEGALONE_DATABASE_URL: "d",
    LEGALONE_REDIS_URL: "r",
    LEGALONE_SERVE_URL: "s",
    LEGALONE_FUTURE_SECRET: "f",
    AWS_SECRET_ACCESS_KEY: "a",
    OPENAI_API_KEY: "o",
    MS_TOKEN: "m",
    NODE_OPTIONS: "--no-warnings",
  };
  for (const [name, value] of Object.entries(secrets)) vi.stubEnv(name, value);
  vi.stubEnv("LEGALONE_TEACHER_KEY", "sk-teacher");
  vi.stubEnv("LEGALONE_JUDGE_KEY", "sk-judge");
  vi.stubEnv("HCCL_EXEC_TIMEOUT", "60");
  const named = [...Object.keys(secrets), "LEGALONE_TEACHER_KEY"];
  const job = { inputs: [], with: named.map((name) => ({ api_key_env: name })) };
  // The cluster of a hostile serve allows everything.
  const variables = [...named.filter((name) => name !== "OPENAI_API_KEY" && !name.startsWith("AWS"))];
  const launch = { ...launched({ job, variables }), main: ["/bin/sh", "-c", "env > seen"] };
  const engine = new ProcessEngine({
    attempts: join(home, "attempts"),
    node: "n",
    env: workerEnvironment(home, 1),
  });
  await engine.start(launch);
  await expect.poll(async () => (await engine.observe(attempt)).state).toBe("exited");
  const seen = Object.fromEntries(
    readFileSync(join(launch.folder, "seen"), "utf8")
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );
  expect(Object.keys(seen)).toEqual(expect.arrayContaining(["PATH", "LEGALONE_HOME", "HCCL_EXEC_TIMEOUT"]));
  expect(seen).toMatchObject({ LEGALONE_TEACHER_KEY: "sk-teacher" });
  const allowed = new Set(["MS_TOKEN"]);
  for (const name of [...Object.keys(secrets), "LEGALONE_JUDGE_KEY"])
    if (!allowed.has(name)) expect(seen).not.toHaveProperty(name);
  for (const file of ["job.json", "engine.json"])
    expect(readFileSync(join(launch.folder, file), "utf8")).not.toContain("sk-teacher");
});

test.each([
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
  "NODE_OPTIONS",
  "PYTHONPATH",
  "PYTHONSTARTUP",
  "PATH",
  "BASH_ENV",
  "LEGALONE_TOKEN",
  "LEGALONE_PYTHON",
  "LEGALONE_MINDFORMERS",
  "ASCEND_CUSTOM_OPP_PATH",
  "CUDA_INJECTION64_PATH",
  "HTTP_PROXY",
  "A=B",
  "",
])("a launch that sets %s is refused at the agent", (name) => {
  expect(() => launched({ env: { [name]: "x" } })).toThrow(/is not set for workers/);
  expect(
    launched({ env: { HCCL_EXEC_TIMEOUT: "60", GLOG_v: "3", LEGALONE_HELDOUT_DEVICE: "cpu" } }).env,
  ).toEqual({
    HCCL_EXEC_TIMEOUT: "60",
    GLOG_v: "3",
    LEGALONE_HELDOUT_DEVICE: "cpu",
  });
});

test("an input lies where models, data and committed artifacts lie, and nowhere else", () => {
  const sha = "a".repeat(64);
  const step = join(home, "attempts", attempt, "step-7");
  mkdirSync(dirname(step), { recursive: true });
  symlinkSync("/etc", step);
  const taken = [
    join(home, "artifacts", sha),
    join(home, "attempts", "r1-sft-g1-s0-e0", "step-5"),
    join(modelsFolder(), "qwen"),
    join(dataFolder(), "laws"),
  ];
  const refused = [
    "/",
    home,
    dirname(home),
    "/etc",
    modelsFolder(),
    join(home, "artifacts"),
    join(home, "serve.json"),
    join(home, "postgres"),
    join(home, "attempts", attempt),
    join(home, "artifacts", sha, "..", "..", "serve.json"),
    `${join(home, "artifacts", sha)}/../../../x`,
    step,
  ];
  const uri = (path: string) => pathToFileURL("/").href + encodeURI(path.slice(1));
  for (const path of taken)
    expect(launched({ job: { inputs: [{ uri: uri(path) }] } }).job.inputs).toHaveLength(1);
  for (const address of [
    "/etc",
    "etc",
    "http://x/y",
    "models://qwen",
    `legalone://artifacts/${"../".repeat(4)}etc`,
  ])
    expect(() => launched({ job: { inputs: [{ uri: address }] } }), address).toThrow(/an input lies at/);
  for (const path of refused) {
    expect(() => launched({ job: { inputs: [{ uri: uri(path) }] } }), path).toThrow(/an input lies at/);
    expect(() => launched({ job: { inputs: [], resume: { uri: uri(path) } } }), path).toThrow(/lies at/);
    const older = [{ uri: uri(path) }];
    expect(() => launched({ job: { resume: { uri: uri(taken[0]!), older } } }), path).toThrow(/lies at/);
  }
});

test("a folder of data or models that is, holds or links to the workspace gives no input of it", () => {
  const sha = "a".repeat(64);
  const uri = (path: string) => pathToFileURL(path).href;
  const launch = (path: string) => launched({ job: { inputs: [{ uri: uri(path) }] } });
  const outside = mkdtempSync(join(tmpdir(), "legalone-data-"));
  mkdirSync(join(home, "postgres"));
  mkdirSync(join(home, "data", "laws"), { recursive: true });
  for (const [name, target] of [
    ["root", "/"],
    ["above", dirname(home)],
    ["home", home],
    ["notes", join(home, "postgres")],
  ] as const)
    symlinkSync(target, join(outside, name));
  symlinkSync(join(home, "artifacts", sha), join(outside, "committed"));
  try {
    for (const variable of ["LEGALONE_DATA", "LEGALONE_MODELS"]) {
      vi.stubEnv(variable, outside);
      for (const name of ["root", "above", "home", "notes"])
        expect(() => launch(join(outside, name)), name).toThrow(/an input lies at/);
      expect(launch(join(outside, "committed")).job.inputs).toHaveLength(1);
      // The whole of the workspace lies below its folder of data then.
      vi.stubEnv(variable, dirname(home));
      for (const path of [
        home,
        join(home, "postgres"),
        join(home, "serve.json"),
        join(home, "attempts", "x"),
      ])
        expect(() => launch(path), path).toThrow(/an input lies at/);
      for (const path of [join(home, "artifacts", sha), join(home, "data", "laws"), join(outside, "x")])
        expect(launch(path).job.inputs).toHaveLength(1);
      vi.stubEnv(variable, "/");
      for (const path of ["/", dirname(home), join(home, "serve.json")])
        expect(() => launch(path), path).toThrow(/an input lies at/);
      vi.unstubAllEnvs();
    }
  } finally {
    removeFolder(outside);
  }
});

test("what a variable stands for becomes its name, in text and in JSON; short values stay", () => {
  const hide = variableHider(["KEY", "SHORT", "UNSET"], { KEY: 'a"b\\c1234', SHORT: "abc" });
  expect(hide(`x a"b\\c1234 abc ${JSON.stringify({ a: 'a"b\\c1234' })}`)).toBe('x ${KEY} abc {"a":"${KEY}"}');
});
