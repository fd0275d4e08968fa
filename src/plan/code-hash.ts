import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { ResolvedStage } from "../config/types.ts";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { packageRoot, sourceRoot } from "../core/paths.ts";
import { outsideHash } from "./outside.ts";
import { standInsInEffect } from "./variables.ts";

/** Compiled caches, and the early look (stages/_early), which refuses a stage or not and makes nothing of its output. */
const skipped = new Set(["__pycache__", ".pytest_cache", "rank_0", "kernel_meta", "early.py"]);

/** Folder of a stage kind below `root`: the kind with `-` as `_`. */
export function stageFolder(kind: string, root = sourceRoot()): string {
  return join(root, "stages", kind.replaceAll("-", "_"));
}

/**
 * Hash over what makes a stage's output besides options and inputs: stages/<kind>, stages/_worker, every other folder
 * of stages/ that these import from, the Python lock,
 * for a kind with a Node `prepare` worker the sources of that worker and of the mathematics it uses, and the files
 * from outside that its options name, and the stand-ins that answer for it. Compiled caches and early.py do not count.
 */
export function codeHash(
  { kind, prepare, external, with: options }: Pick<ResolvedStage, "kind" | "prepare" | "external" | "with">,
  root = sourceRoot(),
): string {
  const paths = [
    ...codeFolders(kind, root).flatMap(filesBelow),
    join(root, "stages", "requirements.txt"),
  ].filter(existsSync);
  const own = prepare ? prepareFiles(prepare.entry) : [];
  const lines = [
    ...paths.map((path) => [relative(root, path).replaceAll("\\", "/"), sha256(readFileSync(path))]),
    ...own.map((path) => [relative(packageRoot, path).replaceAll("\\", "/"), sha256(readFileSync(path))]),
  ];
  lines.sort(([a], [b]) => (a! < b! ? -1 : 1));
  return sha256(
    canonicalJson({
      code: lines,
      outside: external.length > 0 ? outsideHash(external) : null,
      standIns: standInsInEffect(options),
    }),
  );
}

/** stages/<kind>, stages/_worker, and the folders that Python files in them import from. */
function codeFolders(kind: string, root: string): string[] {
  const folders = new Set([stageFolder(kind, root), join(root, "stages", "_worker")]);
  // A set visits what is added while it is walked.
  for (const folder of folders) {
    for (const file of filesBelow(folder)) {
      if (!file.endsWith(".py")) continue;
      for (const [, name] of readFileSync(file, "utf8").matchAll(/^\s*(?:from|import)\s+stages\.(\w+)/gm)) {
        folders.add(join(root, "stages", name!));
      }
    }
  }
  return [...folders];
}

/** Sources of src/worker/<entry>.ts, its parts in src/worker/<entry>/, and src/recipe. */
function prepareFiles(entry: string): string[] {
  const worker = join(packageRoot, "src", "worker", entry);
  return [`${worker}.ts`, ...filesBelow(worker), ...filesBelow(join(packageRoot, "src", "recipe"))];
}

/** Every file below a folder; none where there is no such folder. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (skipped.has(name) || name.endsWith(".pyc")) return [];
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}
