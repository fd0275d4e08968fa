import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { dataFolder, packageRoot } from "../core/paths.ts";

/** Files up to this size count by content, larger ones by size and time of change. */
const hashedBytes = 64 * 1024 * 1024;

/**
 * The path an address from outside stands for: `data://…`, `file://…`, an absolute path, or one relative to the checkout,
 * with `${NAME}` from the environment. null where such a variable is not set.
 */
export function outsidePath(address: string, environment: NodeJS.ProcessEnv = process.env): string | null {
  if (address.startsWith("file://")) return fileURLToPath(address);
  let unset = false;
  const text = address.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    unset ||= !environment[name];
    return environment[name] ?? "";
  });
  if (unset) return null;
  if (text.startsWith("data://")) return join(dataFolder(), text.slice("data://".length));
  return isAbsolute(text) ? text : resolve(packageRoot, text);
}

/** Whether something is there. Of a pattern such as `data://wiki/*.jsonl` the folder above the first wildcard counts. */
export function isThere(address: string): boolean {
  const path = outsidePath(address);
  return path !== null && existsSync(fixedPart(path));
}

/**
 * A hash over what lies at the addresses, so that a changed source makes a stage run again:
 * small files by content, large ones by size and time of change; names inside folders, never where they lie.
 */
export function outsideHash(addresses: readonly string[]): string {
  return sha256(canonicalJson(addresses.map((address) => fingerprint(outsidePath(address)))));
}

type Fingerprint = null | string | [string, Fingerprint][];

function fingerprint(path: string | null): Fingerprint {
  if (path === null) return null;
  const fixed = fixedPart(path);
  if (!existsSync(fixed)) return null;
  const stat = statSync(fixed);
  if (stat.isDirectory()) {
    return readdirSync(fixed)
      .sort()
      .map((name) => [name, fingerprint(join(fixed, name))]);
  }
  return stat.size <= hashedBytes ? sha256(readFileSync(fixed)) : `${stat.size} ${stat.mtimeMs}`;
}

function fixedPart(path: string): string {
  const wildcard = path.search(/[*?]/);
  return wildcard < 0 ? path : path.slice(0, path.lastIndexOf("/", wildcard));
}
