import { mkdirSync, statfsSync } from "node:fs";
import { arch, availableParallelism, platform, totalmem } from "node:os";
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

function disk(home: string): Check {
  mkdirSync(home, { recursive: true });
  const { bavail, bsize } = statfsSync(home);
  const free = (bavail * bsize) / gib;
  const seen = `${free.toFixed(1)} GiB free for ${home}`;
  if (free >= diskGib) return ok("disk", seen);
  const fix = "Free space there, or set LEGALONE_HOME to a folder of a larger disk.";
  return free < 0.5 ? fail("disk", seen, fix) : warn("disk", `${seen}, the demo wants ${diskGib} GiB`, fix);
}
