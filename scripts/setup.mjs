#!/usr/bin/env node
// Installs what the program needs, in plain Node because nothing is installed yet.
// Every step is skipped when the hash of its inputs has not changed, so that a second call takes moments.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, findPython, locked, paint, run } from "./lib/process.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, ".legalone", "setup.json");
const test = process.argv.includes("--test");
const force = process.argv.includes("--force");
const bin = (venv) => join(root, venv, "bin");

/** SHA-256 over names and contents of files and folders below the checkout. */
function hashOf(paths, ...more) {
  const hash = createHash("sha256").update(JSON.stringify(more));
  const visit = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort())
        if (name !== "generated" && name !== "__pycache__") visit(join(path, name));
    } else hash.update(relative(root, path)).update("\0").update(readFileSync(path));
  };
  for (const path of paths) visit(join(root, path));
  return hash.digest("hex");
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(stampFile, "utf8"));
  } catch {
    return {};
  }
}

let stamps = {};
let worked = false;

/** Runs `work` unless its inputs are those of the last success and `made` is there. */
async function step(name, inputsHash, made, work) {
  const there = made.every((path) => existsSync(join(root, path)));
  if (!force && there && stamps[name] === inputsHash) return;
  worked = true;
  const from = Date.now();
  process.stdout.write(`${paint("dim", "·")} ${name} …\n`);
  await work();
  stamps[name] = inputsHash;
  const temporary = `${stampFile}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(stamps, null, 2)}\n`);
  renameSync(temporary, stampFile);
  process.stdout.write(
    `${paint("green", "✓")} ${name} ${paint("dim", `${((Date.now() - from) / 1000).toFixed(1)} s`)}\n`,
  );
}

async function nodeSide() {
  await step(
    "npm packages",
    hashOf(["package-lock.json", ".npmrc"], process.version),
    ["node_modules/commander"],
    () =>
      // Install scripts are not needed: the program restores what they would link (PostgreSQL's libraries).
      run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root }),
  );
  await step(
    "database client",
    hashOf(["prisma/schema.prisma", "package-lock.json"]),
    ["src/records/generated/client.ts"],
    () =>
      // `generate` wants an engine by path but never starts it; none is downloaded. Only this call may see the variable.
      run(process.execPath, ["node_modules/prisma/build/index.js", "generate"], {
        cwd: root,
        env: {
          ...process.env,
          PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
          PRISMA_HIDE_UPDATE_MESSAGE: "1",
        },
      }),
  );
  await step(
    "program",
    hashOf(["src", "scripts/build.mjs", "tsconfig.json", "prisma/schema.prisma", "package-lock.json"]),
    ["dist/bin.js"],
    () => run(process.execPath, ["scripts/build.mjs"], { cwd: root }),
  );
}

/** A virtual environment that holds exactly what its lock file names. */
async function environment(name, folder, lock, python) {
  await step(name, hashOf([lock], python.version), [`${folder}/bin/python`], async () => {
    const uv = join(bin(".venv-uv"), "uv");
    if (!existsSync(join(bin(folder), "python"))) {
      rmSync(join(root, folder), { recursive: true, force: true });
      await run(uv, ["venv", "-q", "--python", python.path, folder], { cwd: root });
    }
    await run(uv, ["pip", "sync", "-q", "--require-hashes", "--python", join(bin(folder), "python"), lock], {
      cwd: root,
    });
  });
}

async function torchEnvironment(python) {
  const lock = "test/torch-requirements.txt";
  await step(
    "torch (tests only)",
    hashOf([lock], python.version, "torch==2.13.0"),
    [".venv-torch/bin/python"],
    async () => {
      rmSync(join(root, ".venv-torch"), { recursive: true, force: true });
      await run(python.path, ["-m", "venv", ".venv-torch"], { cwd: root });
      const inside = join(bin(".venv-torch"), "python");
      await run(
        join(bin(".venv-uv"), "uv"),
        ["pip", "install", "-q", "--require-hashes", "--python", inside, "-r", lock],
        { cwd: root },
      );
      // By pip, which honours a CPU wheel the user has configured; the registry's own build brings CUDA.
      await run(inside, ["-m", "pip", "install", "-q", "--disable-pip-version-check", "torch==2.13.0"], {
        cwd: root,
      });
    },
  );
}

async function pythonSide() {
  const python = await findPython();
  await step("uv", hashOf(["scripts/uv-requirements.txt"], python.version), [".venv-uv/bin/uv"], async () => {
    rmSync(join(root, ".venv-uv"), { recursive: true, force: true });
    await run(python.path, ["-m", "venv", ".venv-uv"], { cwd: root });
    await run(
      join(bin(".venv-uv"), "python"),
      [
        ...[
          "-m",
          "pip",
          "install",
          "-q",
          "--disable-pip-version-check",
          "--require-hashes",
          "-r",
          "scripts/uv-requirements.txt",
        ],
      ],
      { cwd: root },
    );
  });
  await environment("Python environment", ".venv", "stages/requirements.txt", python);
  await step(
    "demo data",
    hashOf(["scripts/fetch-data.mjs", "scripts/data-requirements.txt"]),
    [".legalone/data"],
    () => run(process.execPath, ["scripts/fetch-data.mjs"], { cwd: root }),
  );
  if (test) {
    await environment("Python test environment", ".venv-test", "test/requirements.txt", python);
    await environment(
      "MindFormers (tests only)",
      ".venv-mindformers",
      "test/mindformers-requirements.txt",
      python,
    );
    await torchEnvironment(python);
  }
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(
    `Node ${process.versions.node} is too old: 20.19 or newer is needed.`,
    "Install Node 20 LTS or newer, then run the command again.",
  );
}
mkdirSync(dirname(stampFile), { recursive: true });
await locked(join(root, ".legalone", "setup.lock"), async () => {
  stamps = readStamps();
  const from = Date.now();
  await Promise.all([nodeSide(), pythonSide()]);
  if (worked)
    process.stdout.write(`${paint("green", "✓")} ready after ${((Date.now() - from) / 1000).toFixed(1)} s\n`);
  else if (!process.argv.includes("--quiet")) process.stdout.write("Nothing to set up: all is there.\n");
});
