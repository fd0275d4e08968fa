import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Site } from "../site/site.ts";
import { digit, type Inject, picked, type Scene } from "./types.ts";

/** Waits for attempts that go on, so that there is something to lose. False when none come. */
async function anythingRuns({ site, find }: Scene): Promise<boolean> {
  return (await find(() => (site.runningAttempts().length > 0 ? true : undefined))) ?? false;
}

/** For a while there is a second agent of one name: a unit file was copied, a machine cloned. */
const twinAgent: Inject = async (scene, fault) => {
  const { site, plan, wait } = scene;
  if (!(await anythingRuns(scene))) return false;
  const of = Math.floor(fault.pick * plan.nodes);
  const elsewhere = plan.sharedDisk && digit(fault, 2) < 0.5;
  const twin = await site.startTwin(of, plan.slots, digit(fault, 1) < 0.6 ? "own" : "same", elsewhere);
  await wait(fault.ms);
  await site.endTwin(twin);
  return true;
};

/** Of two machines on one disk one loses its agent or its power while attempts of the other go on beside its own. */
const twoMachines: Inject = async ({ site, find, patiently, wait }, fault) => {
  const { machine } = site;
  if (machine === undefined) return false;
  const live = () =>
    patiently(() => site.database.attempt.findMany({ where: { state: "RUNNING", exitedAt: null } }));
  const theirs = await find(async () => picked(await live(), fault));
  if (!theirs) return false;
  const which = theirs.nodeId === "n1" ? 1 : 0;
  const agent = site.agents[which]!;
  if (which === 0 || digit(fault, 1) < 0.6) return agent.kill(fault.ms * site.pace);
  agent.hold();
  site.take(site.attemptFolders().filter(({ path }) => machine.worksIn(path)));
  await machine.cutPower();
  await wait(fault.ms);
  await machine.boot();
  agent.release();
  return true;
};

/** The clock of a host is half a minute off for a while, or that of the database has been set. */
const clockStep: Inject = async (scene, fault) => {
  const { site, wait } = scene;
  if (!(await anythingRuns(scene))) return false;
  const sign = digit(fault, 1) < 0.5 ? 1 : -1;
  const hosts = ["clock-of-serve", "clock-of-agents"].filter((_, i) => (fault.pick * 3) % 1 > 0.3 || i === 0);
  if (fault.pick < 0.5) {
    for (const file of hosts) site.setClock(file, sign * 30_000);
    await wait(fault.ms);
    for (const file of hosts) site.setClock(file, 0);
    return true;
  }
  // Nobody is heard of for a moment, so that there are looks at the new time before the next signs of life.
  return whileCut(scene, 600 * digit(fault, 1), () =>
    // Back only a little: so long everything is believed to be alive.
    setDatabaseClock(scene, digit(fault, 2) < 0.7 ? 5 + 50 * digit(fault, 2) : -3 * digit(fault, 1)),
  );
};

/** The network is away from before `work` until so long after it. */
async function whileCut({ site, wait }: Scene, ms: number, work: () => Promise<boolean>): Promise<boolean> {
  const { mode } = site.network;
  site.network.mode = "refuse";
  const done = await work();
  await wait(ms);
  site.network.mode = mode;
  return done;
}

/**
 * To whom compares times of rows with that of the database it makes no difference whether the clock was set or the times were.
 * Those that the event log repeats stay as they are.
 */
async function setDatabaseClock({ site, patiently }: Scene, seconds: number): Promise<boolean> {
  const earlier = (field: string) => `"${field}" = "${field}" - make_interval(secs => ${seconds})`;
  const statements = [
    `update "Attempt" set ${["heartbeatAt", "leaseUntil", "stepAt"].map(earlier).join(", ")} where "endedAt" is null`,
    `update "Node" set ${earlier("heartbeatAt")}`,
    `update "Leader" set ${earlier("leaseUntil")}`,
  ];
  const [attempts] = await patiently(() =>
    site.database.$transaction(statements.map((statement) => site.database.$executeRawUnsafe(statement))),
  );
  return (attempts ?? 0) > 0;
}

/** A workspace is carried to another folder while nothing works in it, with runs that are on their way. */
const movedWorkspace: Inject = async ({ site, patiently, find, wait }, fault) => {
  const committed = () => patiently(() => site.database.artifact.count({ where: { goneAt: null } }));
  if (!(await find(async () => ((await committed()) > 0 ? true : undefined)))) return false;
  while (site.asleep) await wait(20);
  const home = picked(site.movable(), fault);
  if (home === undefined || !existsSync(home)) return false;
  const patienceMs = digit(fault, 1) < 0.7 ? 3_000 : 0;
  await site.move(home, patienceMs * site.pace, async () => {
    await patiently(() => noteCheckpoints(site, home));
    await wait(fault.ms);
  });
  return true;
};

/** What attempts of this workspace have committed must be gone on from. */
async function noteCheckpoints({ database, interrupted }: Site, home: string): Promise<void> {
  const live = await database.attempt.findMany({ where: { endedAt: null, exitedAt: null, stopAt: null } });
  const at = new Date();
  for (const { id, shardId } of live.filter((row) => existsSync(join(home, "attempts", row.id)))) {
    const newest = await database.artifact.findFirst({
      where: { attemptId: id, kind: "checkpoint", goneAt: null },
      orderBy: { step: "desc" },
    });
    if (newest) interrupted.push({ shard: shardId, step: newest.step ?? 0, at });
  }
}

/**
 * The lid is closed for longer than every lease, and, every second time, the databases stand still too. Then all goes on at
 * once, but the network a little later than the processes.
 */
const sleep: Inject = async (scene, fault) => {
  const { site, wait } = scene;
  if (!(await anythingRuns(scene)) || !site.sleep()) return false;
  const all = digit(fault, 1) < 0.5;
  if (all) {
    site.lane.pausePostgres();
    site.lane.pauseValkey();
  }
  await wait(fault.ms);
  return whileCut(scene, 800 * digit(fault, 2), async () => {
    if (all) site.lane.resume();
    site.wake();
    return true;
  });
};

/** PostgreSQL is away for longer than several checkpoints while the workspace is on a small disk. */
const outageSmallDisk: Inject = async ({ site, wait, find }, fault) => {
  const saving = () => site.runningAttempts().find(({ folder }) => existsSync(folder.file("claims")));
  if (!site.smallDisk || !(await find(saving))) return false;
  if (fault.pick < 0.5) site.lane.killPostgres();
  else site.lane.pausePostgres();
  await wait(fault.ms);
  await site.lane.start();
  return true;
};

export const placeFaults = {
  "twin-agent": twinAgent,
  "two-machines": twoMachines,
  "clock-step": clockStep,
  "moved-workspace": movedWorkspace,
  sleep,
  "outage-small-disk": outageSmallDisk,
} satisfies Record<string, Inject>;
