import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the checkout: the nearest folder above this file with a package.json. */
export const packageRoot = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
})();

/** Folder above stages/ and configs/: the checkout, or the one above `LEGALONE_STAGES` for stage kinds kept elsewhere. */
export function sourceRoot(): string {
  const stages = process.env.LEGALONE_STAGES;
  return stages ? dirname(resolve(stages)) : packageRoot;
}

/** The Python of workers on this machine: LEGALONE_PYTHON, or that of this checkout. */
export function localPython(): string {
  return process.env.LEGALONE_PYTHON ?? join(packageRoot, ".venv", "bin", "python");
}

/**
 * The workspace: all state of runs. `LEGALONE_HOME`, or `.legalone` in the checkout. Links are followed: a folder with two
 * paths is one workspace.
 */
export function workspace(): string {
  return realPath(process.env.LEGALONE_HOME || join(packageRoot, ".legalone"));
}

/** The path without links, as far as it exists. */
export function realPath(path: string): string {
  const full = resolve(path);
  try {
    return realpathSync(full);
  } catch {
    const above = dirname(full);
    return above === full ? full : join(realPath(above), basename(full));
  }
}

/** Data that set-up fetched from package registries. `LEGALONE_DATA`, or `.legalone/data` in the checkout. */
export function dataFolder(): string {
  return resolve(process.env.LEGALONE_DATA || join(packageRoot, ".legalone", "data"));
}

/**
 * Short folder for unix sockets (their paths end at 107 bytes), one a workspace. Root's own runtime folder
 * is closed to the user that PostgreSQL runs as, and a long one leaves no room for the names of sockets.
 */
export function socketFolder(home = workspace()): string {
  const own = process.env.XDG_RUNTIME_DIR;
  const base = own === undefined || own.length > 60 || process.getuid?.() === 0 ? "/tmp" : own;
  return join(base, `legalone-${createHash("sha256").update(realPath(home)).digest("hex").slice(0, 8)}`);
}

/** Weights from outside: `models://NAME` lies here. `LEGALONE_MODELS`, or `.legalone/models` in the checkout. */
export function modelsFolder(): string {
  return resolve(process.env.LEGALONE_MODELS || join(packageRoot, ".legalone", "models"));
}
