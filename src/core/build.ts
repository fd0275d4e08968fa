import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./paths.ts";

let known: string | undefined;

/**
 * Hash over the compiled program, dist/**\/*.js. Daemons of another build are replaced by `legalone up`.
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
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".js"),
  );
  for (const name of names.sort()) {
    const text = readFileSync(join(root, name));
    hash.update(`${name} ${text.length}\n`).update(text);
  }
  return hash.digest("hex").slice(0, 16);
}
