import { existsSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { dataFolder, packageRoot } from "../core/paths.ts";

/** A file that is named itself counts by content up to this size; larger ones, and those in folders, by size and time. */
const hashedBytes = 256 * 1024 * 1024;

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
 * A hash over what lies at the addresses, so that a changed source makes a stage run again. Where it lies does not count.
 */
export function outsideHash(addresses: readonly string[]): string {
  return sha256(canonicalJson(addresses.map((address) => fingerprint(outsidePath(address)))));
}

type Fingerprint = null | string | [string, Fingerprint][];

function fingerprint(path: string | null): Fingerprint {
  if (path === null || !existsSync(fixedPart(path))) return null;
  const stat = statSync(fixedPart(path));
  if (stat.isDirectory()) return listing(fixedPart(path));
  return stat.size <= hashedBytes ? sha256(readFileSync(path)) : sizeAndTime(stat);
}

function listing(folder: string): [string, Fingerprint][] {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const stat = statSync(join(folder, name));
      return [name, stat.isDirectory() ? listing(join(folder, name)) : sizeAndTime(stat)];
    });
}

function sizeAndTime({ size, mtimeMs }: Stats): string {
  return `${size} ${mtimeMs}`;
}

function fixedPart(path: string): string {
  const wildcard = path.search(/[*?]/);
  return wildcard < 0 ? path : path.slice(0, path.lastIndexOf("/", wildcard));
}
