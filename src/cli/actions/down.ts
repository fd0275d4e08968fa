import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { workspace } from "../../core/paths.ts";
import { AttemptFolder, openAttempts } from "../../dispatch/attempt-folder.ts";
import { ProcessEngine } from "../../dispatch/process/process-engine.ts";
import { homeError, lookAtHome } from "../../services/home.ts";
import { down } from "../../services/up.ts";
import { print } from "./output.ts";

/** Stops what `up` started. Workers only with `workers`; else they go on, and the next agent finds them. */
export async function runDown(options: { json?: boolean; workers: boolean; grace: number }): Promise<void> {
  const home = workspace();
  const seen = lookAtHome(home);
  // Of a workspace that was moved while it ran, what runs is ended: that is the way out. A copy's notes name the original.
  const error = seen.state === "moved running" ? undefined : homeError(home, seen);
  if (error !== undefined) throw error;
  const { stopped } = await down(home);
  const workers = await liveWorkers(home, options.workers ? options.grace : undefined);
  if (options.json) {
    print(JSON.stringify({ stopped, workers }));
    return;
  }
  print(stopped.length > 0 ? `stopped ${stopped.join(", ")}` : "nothing ran");
  if (workers.length === 0) return;
  if (options.workers) print(`stopped ${workers.length} workers: ${workers.join(", ")}`);
  else print(`${workers.length} workers go on: ${workers.join(", ")}; \`legalone up\` finds them again`);
}

/**
 * Attempts whose worker runs on this machine, of whatever node: what others that share the folder run is theirs. With a grace
 * they are stopped, and are gone when this returns.
 */
async function liveWorkers(home: string, graceSeconds: number | undefined): Promise<string[]> {
  const attempts = join(home, "attempts");
  const engineOf = (attempt: string) => {
    const node = new AttemptFolder(attempts, attempt).engine()?.node ?? "";
    return new ProcessEngine({ attempts, node, env: {} });
  };
  const here = openAttempts(attempts, "process").filter((name) => new AttemptFolder(attempts, name).isHere());
  const runs = async (attempt: string) => (await engineOf(attempt).observe(attempt)).state === "running";
  const live: string[] = [];
  for (const attempt of here) if (await runs(attempt)) live.push(attempt);
  if (graceSeconds === undefined) return live;
  for (const attempt of live) await engineOf(attempt).stop(attempt, graceSeconds);
  for (const attempt of live) while (await runs(attempt)) await sleep(20);
  return live;
}
