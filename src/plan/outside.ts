import { existsSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { LegaloneError } from "../core/errors.ts";
import { canonicalJson, sha256 } from "../core/hash.ts";
import { dataFolder, packageRoot } from "../core/paths.ts";
import { headOf, isMisplaced } from "../core/variables.ts";

/** A file that is named itself counts by content up to this size; larger ones, and those in folders, by size and time. */
const hashedBytes = 256 * 1024 * 1024;

/**
 * The path an address from outside stands for: `data://…`, `file://…`, an absolute path, or one relative to the checkout,
 * or one below the folder that a variable names, `${NAME}/…`. null where that variable names none.
 */
export function outsidePath(address: string, environment: NodeJS.ProcessEnv = process.env): string | null {
  if (address.startsWith("file://")) return fileURLToPath(address);
  const name = headOf(address);
  const folder = name === undefined ? "" : environment[name];
  if (folder === undefined || isMisplaced(address) || (name && !isAbsolute(folder))) return null;
  const text = name === undefined ? address : `${folder}${address.slice(address.indexOf("}") + 1)}`;
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
  return sha256(
    canonicalJson(
      addresses.map((address) => {
        try {
          return fingerprint(outsidePath(address));
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          // By the address as it is written: what a variable stands for is nobody's to read.
          throw new LegaloneError("E_DATA", `${address} cannot be read: ${code ?? "it changed meanwhile"}`, {
            hint: "Mend it where it lies, or name another.",
          });
        }
      }),
    ),
  );
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
