import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { arch, availableParallelism, platform, totalmem } from "node:os";
import { dirname } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import { checkHome, checkOwnFolder } from "../../core/own-folder.ts";
import { socketFolder } from "../../core/paths.ts";
import { environmentError } from "../../core/system-errors.ts";
import { type Check, fail, ok, warn } from "./check.ts";

const gib = 2 ** 30;
/** The demo's peak; a run of the demo writes 0.5 GiB. */
const memoryGib = 6;
const diskGib = 3;

/** How well each platform is known to work. */
const levels: Readonly<Record<string, "tested" | "best effort">> = {
  "linux-x64": "tested",
  "linux-arm64": "best effort",
  "darwin-arm64": "best effort",
};

export function machineChecks(home: string): Check[] {
  return [
    nodeVersion(process.versions.node),
    platformLevel(`${platform()}-${arch()}`),
    memory(totalmem()),
    place(home),
    sockets(home),
    disk(home),
  ];
}

/** 20.19 is the first 20 that loads ES modules everywhere our dependencies need it. */
export function nodeVersion(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > 20 || (major === 20 && minor >= 19);
  return enough
    ? ok("node", version)
    : fail("node", `${version}, expected 20.19 or newer`, "Install Node 20.19 or newer.");
}

export function platformLevel(name: string): Check {
  const level = levels[name];
  const seen = `${name}, ${availableParallelism()} cores`;
  if (level === "tested") return ok("platform", `${seen}; tested`);
  if (level === "best effort")
    return warn(
      "platform",
      `${seen}; best effort`,
      "Every release is tested on linux-x64; report what fails here.",
    );
  return fail("platform", `${seen}; not supported`, `Use one of ${Object.keys(levels).join(", ")}.`);
}

export function memory(bytes: number): Check {
  const seen = `${(bytes / gib).toFixed(1)} GiB`;
  if (bytes >= memoryGib * gib * 0.9) return ok("memory", seen);
  return warn(
    "memory",
    `${seen}, the demo wants ${memoryGib} GiB`,
    "Close other programs, or use a larger machine.",
  );
}

/** That the workspace is ours to write, or can be made. Makes none. */
function place(home: string): Check {
  try {
    checkHome(home);
    accessSync(nearest(home), constants.W_OK | constants.X_OK);
    return ok("workspace", existsSync(home) ? home : `${home}, not made yet`);
  } catch (error) {
    const known = error instanceof LegaloneError ? error : environmentError(error);
    if (known === undefined) throw error;
    return fail("workspace", known.message, known.hint ?? "Name another folder in LEGALONE_HOME.");
  }
}

/** The embedded servers listen in a short folder outside of the workspace. */
function sockets(home: string): Check {
  const folder = socketFolder(home);
  try {
    checkOwnFolder(folder);
    accessSync(nearest(folder), constants.W_OK | constants.X_OK);
    return ok("sockets", folder);
  } catch (error) {
    const known = error instanceof LegaloneError ? error : environmentError(error);
    if (known === undefined) throw error;
    return fail("sockets", known.message, known.hint ?? "Name another folder in XDG_RUNTIME_DIR.");
  }
}

/** The folder itself, or the nearest one above that is there. */
function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

function disk(home: string): Check {
  const { bavail, bsize } = statfsSync(nearest(home));
  const free = (bavail * bsize) / gib;
  const seen = `${free.toFixed(1)} GiB free for ${home}`;
  if (free >= diskGib) return ok("disk", seen);
  const fix = "Free space there, or set LEGALONE_HOME to a folder of a larger disk.";
  return free < 0.5 ? fail("disk", seen, fix) : warn("disk", `${seen}, the demo wants ${diskGib} GiB`, fix);
}
