import { setTimeout as sleep } from "node:timers/promises";
import { isUnreachable } from "../../src/records/database.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { checkSite } from "./checks/check-site.ts";
import { outcomeOf } from "./checks/outcome.ts";
import { Watcher } from "./checks/watcher.ts";
import { injectors } from "./faults/all-faults.ts";
import type { Scene } from "./faults/types.ts";
import { newRunOf } from "./plan/new-run.ts";
import type { FaultKind, Plan } from "./plan/types.ts";
import type { Lane } from "./site/lane.ts";
import { slowness } from "./site/pace.ts";
import { Site } from "./site/site.ts";

/** So long nothing may happen before a run has ended, and so long may happen, over all resumes, what leads to no end. */
const boundMs = 30_000;
const endlessMs = 240_000;
/** The database is back before that, however slow the machine. */
const awayMs = 240_000;
const mostResumes = 4;

export interface SeedResult {
  seed: number;
  violations: string[];
  /** Faults that hit something, and those that found nothing to hit. */
  injected: Partial<Record<FaultKind, number>>;
  missed: Partial<Record<FaultKind, number>>;
  outcomes: Record<string, number>;
  resumes: number;
  attempts: number;
  seconds: number;
  /** What the processes said, kept when something was violated. */
  logs: Record<string, string>;
}

export interface SeedOptions {
  /** Looks at the site after its checks. */
  see?: ((site: Site, hit: readonly string[]) => Promise<void>) | undefined;
  /** What the processes said is kept in any case. */
  keep?: boolean;
}

/** Lives through one plan and checks what must hold after it. */
export async function runSeed(
  lane: Lane,
  plan: Plan,
  { see, keep = false }: SeedOptions = {},
): Promise<SeedResult> {
  const began = Date.now();
  const result: SeedResult = {
    seed: plan.seed,
    violations: [],
    injected: {},
    missed: {},
    outcomes: {},
    resumes: 0,
    attempts: 0,
    seconds: 0,
    logs: {},
  };
  await lane.start();
  const site = await Site.open(lane, plan);
  const watcher = new Watcher(site.database, () => site.attemptFolders());
  try {
    // Faults find something to hit once a node is there; every fourth seed has them from the first moment on.
    if (plan.seed % 4 > 0) await untilReady(site);
    const from = Date.now();
    const scene: Scene = {
      site,
      plan,
      runs: [],
      wait: (ms) => sleep(ms * site.pace),
      find: finder(site.pace),
      patiently,
    };
    await Promise.all([submitAll(scene, from), injectAll(scene, from, result)]);
    await site.heal();
    await bringToEnd(site, plan, result);
    result.violations.push(
      ...(await patiently(() => watcher.end())),
      ...(await patiently(() => checkSite(site, plan))),
    );
    result.attempts = await patiently(() => site.database.attempt.count());
    await see?.(site, Object.keys(result.injected));
  } catch (error) {
    result.violations.push(
      error instanceof Stuck ? error.message : `the test itself failed: ${(error as Error).stack}`,
    );
  } finally {
    if (result.violations.length > 0 || keep) result.logs = await tellAll(site);
    await watcher.end().catch(() => []);
    await site.heal();
    await site.close();
    result.seconds = (Date.now() - began) / 1000;
  }
  return result;
}

/** What is needed to understand a violation: what the processes said, and the event log. */
async function tellAll(site: Site): Promise<Record<string, string>> {
  const logs = Object.fromEntries(site.daemons().map(({ name }) => [name, site.log(name)]));
  const events = await site.database.event.findMany({ orderBy: { id: "asc" } }).catch(() => []);
  return {
    ...logs,
    events: events.map((event) => JSON.stringify({ ...event, id: Number(event.id) })).join("\n"),
  };
}

async function untilReady({ database, pace }: Site): Promise<void> {
  const deadline = Date.now() + boundMs * pace;
  while ((await patiently(() => database.node.count())) === 0 && Date.now() < deadline) await sleep(20);
}

async function submitAll({ site, plan, runs }: Scene, from: number): Promise<void> {
  await Promise.all(
    plan.runs.map(async (run, i) => {
      await sleep(Math.max(0, from + run.submitAt * site.pace - Date.now()));
      const submit = () => patiently(() => submitRun(site.database, newRunOf(run, `key-${i}`, site.pace)));
      const [first, second] = await Promise.all(run.twice ? [submit(), submit()] : [submit()]);
      if (second && second.run !== first?.run) throw new Error("two submits with one key made two runs");
      runs[i] = first!.run;
    }),
  );
}

async function injectAll(scene: Scene, from: number, { injected, missed }: SeedResult): Promise<void> {
  await Promise.all(
    scene.plan.faults.map(async (fault) => {
      await sleep(Math.max(0, from + fault.at * scene.site.pace - Date.now()));
      const hit = await injectors[fault.kind](scene, fault).catch(fromUnderIt);
      const into = hit ? injected : missed;
      into[fault.kind] = (into[fault.kind] ?? 0) + 1;
    }),
  );
}

/** A workspace was moved while another fault looked at it: that one hit nothing. */
function fromUnderIt(error: unknown): false {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
  throw error;
}

/** Waits for the end of every run; what was cancelled or has failed for a known reason is resumed, as a person would. */
async function bringToEnd(site: Site, plan: Plan, result: SeedResult): Promise<void> {
  const { database } = site;
  const last = Date.now() + endlessMs * site.pace;
  for (let resumes = 0; ; resumes++) {
    await untilEnded(site, last);
    if (site.unreadable !== undefined) {
      // All others have come to their end beside it.
      await patiently(site.unreadable.mend);
      site.unreadable = undefined;
      await untilEnded(site, last);
    }
    const again: string[] = [];
    result.outcomes = {};
    for (const { id } of await patiently(() => database.run.findMany({ select: { id: true } }))) {
      const { outcome, faults } = await patiently(() => outcomeOf(site, plan, id));
      result.violations.push(...faults.filter((fault) => !result.violations.includes(fault)));
      result.outcomes[outcome] = (result.outcomes[outcome] ?? 0) + 1;
      if (outcome === "again") again.push(id);
    }
    if (again.length === 0) return;
    if (resumes === mostResumes)
      throw new Stuck(`still not done after ${resumes} resumes: ${again.join(", ")}`);
    for (const id of again) await patiently(() => resumeRun(database, id));
    result.resumes += again.length;
  }
}

class Stuck extends Error {}

/** @throws Stuck when nothing happens for long, or when things go on happening and come to no end */
async function untilEnded({ database, pace, unreadable }: Site, last: number): Promise<void> {
  const beside = unreadable === undefined ? {} : { runId: { not: unreadable.run } };
  let deadline = Date.now() + boundMs * pace;
  for (let events = -1; ; ) {
    const open = await patiently(() => database.stage.findMany({ where: { endedAt: null, ...beside } }));
    if (open.length === 0 && (await patiently(() => gatesMeasured(database, beside)))) return;
    const seen = await patiently(() => database.event.count());
    if (seen !== events) deadline = Math.min(last, Date.now() + boundMs * Math.max(pace, slowness()));
    events = seen;
    if (Date.now() > deadline) {
      const attempts = await patiently(() => database.attempt.findMany({ where: { endedAt: null } }));
      const told = [...open, ...attempts].map((row) => `${row.id} ${row.state}`).join(", ");
      throw new Stuck(`not at its end: ${told || "a gate is not measured"}`);
    }
    await sleep(30 * pace);
  }
}

async function gatesMeasured(database: Site["database"], beside: object): Promise<boolean> {
  const stages = await database.stage.findMany({
    where: { state: { in: ["SUCCEEDED", "SKIPPED"] }, ...beside },
    include: { gates: true },
  });
  return stages.every(
    ({ spec, gates }) => gates.length >= ((spec as { gates?: unknown[] }).gates?.length ?? 0),
  );
}

/** Faults of the whole place make others wait for something that they can hit. */
const findMs = 3_000;

function finder(pace: number): Scene["find"] {
  return async (look) => {
    const deadline = Date.now() + findMs * pace;
    for (;;) {
      const found = await look();
      if (found !== undefined || Date.now() > deadline) return found;
      await sleep(15);
    }
  };
}

/** Repeats while the database is away; the servers come back by the fault that took them. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + awayMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const away = isUnreachable(error) || (error as { code?: string }).code === "E_DATABASE";
      if (!away || Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
