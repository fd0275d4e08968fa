import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { packageRoot } from "../../src/core/paths.ts";
import { demoHome, legalone } from "./legalone.ts";

declare module "vitest" {
  export interface ProvidedContext {
    demo: { code: number; seconds: number; peakBytes: number; output: string };
  }
}

/**
 * Runs `npm run demo` once in a workspace of its own; every file of test/e2e looks at that run.
 * The workspace is wiped before, so that nothing is skipped, and its daemons are stopped afterwards.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await legalone(["down", "--workers"]).catch(() => undefined);
  rmSync(demoHome, { recursive: true, force: true });
  mkdirSync(demoHome, { recursive: true });
  const demo = await runDemo();
  const log = join(demoHome, "demo.log");
  process.stdout.write(
    `npm run demo: exit ${demo.code}, ${demo.seconds.toFixed(1)} s, peak ${(demo.peakBytes / 2 ** 30).toFixed(2)} GiB (log: ${log})\n`,
  );
  if (demo.code !== 0) process.stdout.write(`${demo.output.slice(-6000)}\n`);
  project.provide("demo", demo);
  return async () => {
    await legalone(["down", "--workers"]);
  };
}

function runDemo(): Promise<{ code: number; seconds: number; peakBytes: number; output: string }> {
  return new Promise((resolve) => {
    const from = performance.now();
    const child = spawn("npm", ["run", "demo"], {
      cwd: packageRoot,
      env: {
        ...process.env,
        LEGALONE_HOME: demoHome,
        LEGALONE_OWNER_PID: String(process.pid),
        NO_COLOR: "1",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log = createWriteStream(join(demoHome, "demo.log"));
    let output = "";
    const take = (data: Buffer) => {
      output += data.toString();
      log.write(data);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    let peakBytes = 0;
    const sampler = setInterval(() => {
      peakBytes = Math.max(peakBytes, residentBytes());
    }, 1000);
    child.on("close", (code) => {
      clearInterval(sampler);
      log.end();
      resolve({ code: code ?? -1, seconds: (performance.now() - from) / 1000, peakBytes, output });
    });
  });
}

/** Proportional memory of all processes of the demo's workspace, in bytes; 0 where /proc does not exist. */
function residentBytes(): number {
  let total = 0;
  for (const pid of safely(() => readdirSync("/proc"), []).filter((name) => /^\d+$/.test(name))) {
    const environment = safely(() => readFileSync(`/proc/${pid}/environ`, "utf8"), "");
    if (!environment.includes(`LEGALONE_HOME=${demoHome}\0`)) continue;
    const pss = safely(() => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "").match(
      /^Pss:\s+(\d+) kB/m,
    );
    total += Number(pss?.[1] ?? 0) * 1024;
  }
  return total;
}

function safely<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
