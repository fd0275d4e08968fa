#!/usr/bin/env node
// Every test of both languages, after set-up. Ends on a line `N passed, N failed, N skipped`.
//   npm test                 all parts            npm test -- --only unit,python
//   npm run test:long        adds what takes longer
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { paint } from "./lib/process.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = join(root, ".legalone", "test-reports");
const long = process.argv.includes("--long");
const only = process.argv.includes("--only")
  ? process.argv[process.argv.indexOf("--only") + 1]?.split(",")
  : undefined;
const node = process.execPath;
const python = join(root, ".venv-test", "bin", "python");
const ruff = join(root, ".venv-test", "bin", "ruff");

function here(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
    child.on("error", (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(127);
    });
    child.on("close", (code, signal) => resolve(code ?? `signal ${signal}`));
  });
}

/** A check that passes or fails as a whole. */
const check = (command, args) => async () => {
  const code = await here(command, args);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
};

/** Vitest with a JSON report, which is where the counts come from; no report is a failure. */
const vitest = (name, config) => async () => {
  const file = join(reports, `${name}.json`);
  const code = await here(
    node,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--config",
      config,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${file}`,
    ],
    { LEGALONE_LONG: long ? "1" : "" },
  );
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(file, "utf8"));
  const failed = report.numFailedTests;
  // An error outside any test (a hook, an import) fails the run without a failed test.
  return {
    passed: report.numPassedTests,
    failed: code === 0 ? failed : Math.max(1, failed),
    skipped: report.numPendingTests + report.numTodoTests,
  };
};

const pytest = async () => {
  const file = join(reports, "python.xml");
  const code = await here(python, [
    "-m",
    "pytest",
    "--numprocesses=2",
    "--dist=loadfile", // a file's fixtures are made once
    ...(long ? [] : ["-m", "not long"]),
    `--junitxml=${file}`,
    "--durations=8",
  ]);
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const suite = readFileSync(file, "utf8").match(/<testsuite [^>]*>/)?.[0] ?? "";
  const count = (name) => Number(suite.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  return {
    passed: count("tests") - failed - count("skipped"),
    failed: code === 0 ? failed : Math.max(1, failed),
    skipped: count("skipped"),
  };
};

/** Two thousand seeds of random faults; each counts as a test. */
const chaos = async () => {
  const seeds = 2000;
  const output = createWriteStream(join(reports, "chaos.jsonl"));
  const child = spawn(node, ["scripts/chaos.mjs", "--seeds", String(seeds), "--json"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = "";
  for await (const line of createInterface({ input: child.stdout })) {
    output.write(`${line}\n`);
    last = line;
  }
  output.end();
  process.stdout.write(`${last}\n`);
  try {
    const failed = JSON.parse(last).failed.length;
    return { passed: seeds - failed, failed, skipped: 0 };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
};

const parts = {
  biome: check(node, ["node_modules/@biomejs/biome/bin/biome", "check", "."]),
  ruff: check(ruff, ["check", "stages", "test"]),
  "ruff-format": check(ruff, ["format", "--check", "stages", "test"]),
  types: check(node, ["node_modules/typescript/bin/tsc", "-p", "test/tsconfig.json"]),
  unit: vitest("unit", "vitest.config.ts"),
  python: pytest,
  e2e: vitest("e2e", "vitest.e2e.config.ts"),
  ...(long ? { chaos } : {}),
};

if (process.argv.includes("--help")) {
  process.stdout.write(`Parts: ${Object.keys(parts).join(", ")}\n`);
  process.exit(0);
}
const unknown = only?.filter((name) => !(name in parts)) ?? [];
if (unknown.length > 0) {
  process.stderr.write(`No such part: ${unknown.join(", ")}. Parts: ${Object.keys(parts).join(", ")}\n`);
  process.exit(2);
}
const ready = await here(node, ["scripts/setup.mjs", "--test", "--quiet"]);
if (ready !== 0) process.exit(ready);
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
for (const [name, part] of Object.entries(parts)) {
  if (only && !only.includes(name)) continue;
  process.stdout.write(`\n${paint("bold", `── ${name}`)}\n`);
  const from = Date.now();
  const counts = await part();
  for (const key of Object.keys(total)) total[key] += counts[key];
  lines.push(
    `${counts.failed ? paint("red", "✗") : paint("green", "✓")} ${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${((Date.now() - from) / 1000).toFixed(0)} s)`,
  );
}
process.stdout.write(
  `\n${lines.join("\n")}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
