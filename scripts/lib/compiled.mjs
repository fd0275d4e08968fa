// Compiles a TypeScript program of test/, with what it imports, to plain JavaScript.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function must(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(2);
}

/** Builds the program itself and `source` (a path in the checkout), whose module it returns; `name` is its folder's. */
export async function compiled(name, source) {
  const built = join(root, ".legalone", name);
  must(join(root, "scripts", "build.mjs"));
  mkdirSync(built, { recursive: true });
  const project = join(built, "tsconfig.json");
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: { noEmit: false, rootDir: root, outDir: built },
      include: [],
      files: [join(root, source)],
    }),
  );
  must(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", project);
  return import(pathToFileURL(join(built, source.replace(/\.ts$/, ".js"))).href);
}
