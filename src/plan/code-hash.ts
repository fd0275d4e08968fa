import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { sourceRoot } from "../core/paths.ts";

const skipped = new Set(["__pycache__", ".pytest_cache", "rank_0", "kernel_meta"]);

/** Folder of a stage kind below `root`: the kind with `-` as `_`. */
export function stageFolder(kind: string, root = sourceRoot()): string {
  return join(root, "stages", kind.replaceAll("-", "_"));
}

/**
 * Hash over the code that makes a stage's output: stages/<kind>, stages/_worker, the Python lock and,
 * for a kind with a Node `prepare` worker, the sources of that worker and of the mathematics it uses.
 * Compiled caches do not count.
 */
export function codeHash(
  kind: string,
  prepare: { entry: string } | null = null,
  root = sourceRoot(),
): string {
  const paths = [
    ...filesBelow(stageFolder(kind, root)),
    ...filesBelow(join(root, "stages", "_worker")),
    join(root, "stages", "requirements.txt"),
  ];
  if (prepare)
    paths.push(
      join(root, "src", "worker", `${prepare.entry}.ts`),
      ...filesBelow(join(root, "src", "recipe")),
    );
  const lines = paths.map((path) => [relative(root, path).replaceAll("\\", "/"), sha256(readFileSync(path))]);
  return sha256(canonicalJson(lines.sort(([a], [b]) => (a! < b! ? -1 : 1))));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (skipped.has(name) || name.endsWith(".pyc")) return [];
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}
