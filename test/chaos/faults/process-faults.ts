import { sessionMembers } from "../../../src/dispatch/process/session.ts";
import type { Fault } from "../plan/types.ts";
import type { Daemon } from "../site/daemon.ts";
import { signalAll } from "../site/processes.ts";
import { type Inject, picked, type Scene } from "./types.ts";

function kill(of: "serves" | "agents"): Inject {
  return async ({ site }, fault) => picked(site[of], fault)?.kill(fault.ms * site.pace) ?? false;
}

function pause(of: "serves" | "agents"): Inject {
  return async ({ site, wait }, fault) => {
    const daemon: Daemon | undefined = picked(site[of], fault);
    if (!daemon?.pause()) return false;
    await wait(fault.ms);
    daemon.resume();
    return true;
  };
}

const killWorker: Inject = async (scene, fault) => {
  const workers = await workersOf(scene, fault);
  signalAll(workers, "SIGKILL");
  return workers.length > 0;
};

/** The processes of an attempt but its shim. */
async function workersOf({ site, find }: Scene, fault: Fault): Promise<number[]> {
  const running = () => site.runningAttempts().map(({ shim }) => sessionMembers(shim));
  return (
    (await find(() =>
      picked(
        running().filter((pids) => pids.length > 0),
        fault,
      ),
    )) ?? []
  );
}

const killShim: Inject = async ({ site, find }, fault) => {
  const attempt = await find(() => picked(site.runningAttempts(), fault));
  if (attempt) {
    site.take([attempt.folder]);
    signalAll([attempt.shim], "SIGKILL");
  }
  return attempt !== undefined;
};

const pauseWorker: Inject = async (scene, fault) => {
  const workers = await workersOf(scene, fault);
  if (workers.length === 0) return false;
  signalAll(workers, "SIGSTOP");
  await scene.wait(fault.ms);
  signalAll(workers, "SIGCONT");
  return true;
};

const pauseShim: Inject = async ({ site, wait, find }, fault) => {
  const attempt = await find(() => picked(site.runningAttempts(), fault));
  if (!attempt) return false;
  signalAll([attempt.shim], "SIGSTOP");
  await wait(fault.ms);
  signalAll([attempt.shim], "SIGCONT");
  return true;
};

/** Agent and workers of a node stand still until the node is thought dead, and then go on as if nothing had been. */
const staleAgent: Inject = async ({ site, wait, find }, fault) => {
  const agent = site.agents[1];
  const home = site.homes[1];
  const there = () => site.runningAttempts().filter(({ folder }) => folder.path.startsWith(`${home}/`));
  const held = (await find(() => (there().length > 0 ? there() : undefined))) ?? [];
  if (held.length === 0 || !agent?.pause()) return false;
  // Half of them: the workers go on alone, and what they commit meanwhile is refused.
  const still = fault.pick < 0.5 ? held.flatMap(({ shim }) => [shim, ...sessionMembers(shim)]) : [];
  signalAll(still, "SIGSTOP");
  await wait(fault.ms);
  signalAll(still, "SIGCONT");
  agent.resume();
  return true;
};

/** Everything at once, as when the power goes. */
const killMachine: Inject = async ({ site, wait }, fault) => {
  for (const daemon of site.daemons()) daemon.kill((fault.ms + 300) * site.pace);
  site.lane.killPostgres();
  site.lane.killValkey();
  site.take(site.attemptFolders().filter((folder) => !folder.reported()));
  signalAll(site.workers(), "SIGKILL");
  await wait(fault.ms);
  await site.lane.start();
  return true;
};

export const processFaults = {
  "kill-serve": kill("serves"),
  "kill-agent": kill("agents"),
  "kill-worker": killWorker,
  "kill-shim": killShim,
  "kill-machine": killMachine,
  "pause-serve": pause("serves"),
  "pause-agent": pause("agents"),
  "pause-worker": pauseWorker,
  "pause-shim": pauseShim,
  "stale-agent": staleAgent,
} satisfies Record<string, Inject>;
