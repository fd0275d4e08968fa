#!/usr/bin/env node
// The whole pipeline, tiny, for real: set-up, then `legalone train pipelines/demo.yaml`.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs one of our programs on this terminal; Ctrl-C reaches it and it decides how to leave. */
function here(...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
    child.on("close", (code, signal) => resolve(signal ? 130 : code));
  });
}

process.on("SIGINT", () => {});
const ready = await here(join(root, "scripts", "setup.mjs"), "--quiet");
process.exitCode =
  ready ||
  (await here(join(root, "dist", "bin.js"), "train", "pipelines/demo.yaml", ...process.argv.slice(2)));
