import { appendFileSync, existsSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { sessionMembers } from "../../../src/dispatch/process/session.ts";
import { signalAll } from "../site/processes.ts";
import { type Inject, picked, type Scene } from "./types.ts";

const diskFull: Inject = async ({ site, wait }, { ms }) => {
  if (!site.fillDisk()) return false;
  await wait(ms);
  site.emptyDisk();
  return true;
};

/** A worker dies, and what its shim wrote about it is cut in half before the agent can read it. */
const tornExit: Inject = async (scene, fault) => {
  const attempt = await scene.find(() => picked(scene.site.runningAttempts(), fault));
  if (!attempt) return false;
  scene.site.take([attempt.folder]);
  return whileAgentsStandStill(scene, async () => {
    signalAll(sessionMembers(attempt.shim), "SIGKILL");
    const file = attempt.folder.file("exit.json");
    for (let i = 0; i < 50 && !existsSync(file); i++) await scene.wait(10);
    return cut(file, fault.pick);
  });
};

/** A worker dies in the middle of a line, or the machine forgets the last bytes of its file. */
const tornEvents: Inject = async (scene, fault) => {
  const begun = () =>
    scene.site.runningAttempts().filter(({ folder }) => existsSync(folder.file("events.jsonl")));
  const attempt = await scene.find(() => picked(begun(), fault));
  if (!attempt) return false;
  return whileAgentsStandStill(scene, async () => {
    const file = attempt.folder.file("events.jsonl");
    const workers = sessionMembers(attempt.shim);
    signalAll([attempt.shim, ...workers], "SIGSTOP");
    if (fault.pick * 10 - Math.floor(fault.pick * 10) < 0.5)
      appendFileSync(file, '{"type":"progress","at":"20');
    else truncateSync(file, Math.max(0, statSync(file).size - 30));
    signalAll(workers, "SIGKILL");
    signalAll([attempt.shim], "SIGCONT");
    return workers.length > 0;
  });
};

/** One file of a checkpoint loses its end, or all of the folder is gone; then its worker dies. */
const tornCheckpoint: Inject = async ({ site, find }, fault) => {
  const saved = () => site.runningAttempts().filter(({ folder }) => newestStep(folder.path) !== undefined);
  const attempt = await find(() => picked(saved(), fault));
  const newest = attempt && newestStep(attempt.folder.path);
  if (!attempt || !newest) return false;
  const victim = ["state.json", "manifest.json", "pad"][Math.floor(fault.pick * 3)]!;
  const torn = cut(join(attempt.folder.path, newest, victim), 0.5);
  signalAll(sessionMembers(attempt.shim), "SIGKILL");
  return torn;
};

function newestStep(folder: string): string | undefined {
  const steps = readdirSync(folder).filter((name) => name.startsWith("step-"));
  return steps.sort((a, b) => Number(b.slice(5)) - Number(a.slice(5)))[0];
}

const tornPid: Inject = async ({ site, find }, fault) => {
  const attempt = await find(() => picked(site.runningAttempts(), fault));
  if (attempt) site.take([attempt.folder]);
  return attempt !== undefined && cut(attempt.folder.file("pid.json"), fault.pick / 2);
};

/** Somebody cleans up: the output of a stage that has ended is no longer there. */
const removeArtifact: Inject = async ({ site, patiently, find }, fault) => {
  const artifacts = () =>
    patiently(() =>
      site.database.artifact.findMany({
        where: { kind: { not: "checkpoint" }, goneAt: null },
        orderBy: { id: "asc" },
      }),
    );
  const victim = await find(async () => picked(await artifacts(), fault));
  if (!victim) return false;
  rmSync(join(site.serves[0]!.home, "artifacts", victim.sha256), { recursive: true, force: true });
  return true;
};

async function whileAgentsStandStill({ site }: Scene, work: () => Promise<boolean>): Promise<boolean> {
  const still = [...site.agents, ...site.twins].filter((agent) => agent.pause());
  try {
    return await work();
  } finally {
    for (const agent of still) agent.resume();
  }
}

function cut(file: string, share: number): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (!size) return false;
  truncateSync(file, Math.floor(size * share));
  return true;
}

export const fileFaults = {
  "disk-full": diskFull,
  "torn-exit": tornExit,
  "torn-events": tornEvents,
  "torn-checkpoint": tornCheckpoint,
  "torn-pid": tornPid,
  "remove-artifact": removeArtifact,
} satisfies Record<string, Inject>;
