import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./paths.ts";

let known: string | undefined;

/**
 * Hash over the compiled program: its entry, which names every joined file by a hash of its content, or all of
 * dist/**\/*.js where it was compiled and not joined. Daemons of another build are replaced by `legalone up`.
 * Taken once: it tells what this process runs, not what was compiled since.
 */
export function buildHash(): string {
  known ??= readBuildHash();
  return known;
}

function readBuildHash(): string {
  const root = join(packageRoot, "dist");
  if (!existsSync(root)) return "not compiled";
  const hash = createHash("sha256");
  for (const name of programFiles(root)) {
    const text = readFileSync(join(root, name));
    hash.update(`${name} ${text.length}\n`).update(text);
  }
  return hash.digest("hex").slice(0, 16);
}

function programFiles(root: string): string[] {
  if (readFileSync(join(root, "bin.js"), "utf8").includes("./joined/")) return ["bin.js"];
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".js"))
    .sort();
}
