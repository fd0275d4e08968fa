#!/usr/bin/env node
// Random faults against the real control plane (test/chaos). `npm run chaos -- --help` tells the options.
// Compiles program and test first: both run as plain JavaScript.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(root, ".legalone", "chaos");

function must(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(2);
}

must(join(root, "scripts", "build.mjs"));
mkdirSync(built, { recursive: true });
const project = join(built, "tsconfig.json");
writeFileSync(
  project,
  JSON.stringify({
    extends: join(root, "tsconfig.json"),
    compilerOptions: { noEmit: false, rootDir: root, outDir: built },
    include: [],
    files: [join(root, "test", "chaos", "main.ts")],
  }),
);
must(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", project);
const { main } = await import(pathToFileURL(join(built, "test", "chaos", "main.js")).href);
await main(process.argv.slice(2));
