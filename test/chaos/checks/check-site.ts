import { setTimeout as sleep } from "node:timers/promises";
import type { ResolvedPipeline, ResolvedStage } from "../../../src/config/types.ts";
import { replayFaults } from "../../support/replay-faults.ts";
import { type Expected, expectedOf } from "../model.ts";
import type { FaultKind, Plan } from "../plan/types.ts";
import type { Site } from "../site/site.ts";
import { lineageFaults, mixedAttempts } from "./lineage.ts";
import { type LoggedEvent, walkLog } from "./log.ts";

/** A worker that was told to leave has this long until it counts as left behind. */
const afterlifeMs = 8_000;

/** Everything that must hold when all runs of a seed have ended. Returns what does not. */
export async function checkSite(site: Site, plan: Plan): Promise<string[]> {
  const db = site.database;
  const faults: string[] = [];
  const runs = await db.run.findMany();
  const expected = new Map<string, Expected>();
  for (const run of runs) {
    const { seed } = run.config as unknown as ResolvedPipeline;
    expected.set(run.id, expectedOf(plan.runs.find((one) => one.seed === seed)!));
  }
  const stages = await db.stage.findMany({ include: { gates: true } });
  const specs = new Map(
    stages.map((stage) => [`${stage.runId} ${stage.name}`, stage.spec as unknown as ResolvedStage]),
  );
  const events = await db.event.findMany({ orderBy: { id: "asc" } });
  faults.push(...walkLog(events, (run, name) => specs.get(`${run} ${name}`)!));
  faults.push(...(await replayFaults(db)));

  const attempts = await db.attempt.findMany();
  const names = new Map(stages.map((stage) => [stage.id, stage.name]));
  const known = new Set(attempts.map(({ id }) => id));
  for (const run of runs) {
    const rows = await db.artifact.findMany({ where: { runId: run.id } });
    faults.push(...lineageFaults(rows, names, known, expected.get(run.id)!), ...mixedAttempts(rows));
  }
  faults.push(
    ...lostFaults(attempts, site, plan),
    ...resumeFaults(attempts, await allCheckpoints(site), site, plan),
  );
  faults.push(...startedTwice(events));
  faults.push(...(await metricFaults(site)));
  const leases = await db.lease.findMany();
  faults.push(...leases.map(({ id }) => `the lease ${id} is left`));
  faults.push(...attempts.filter((row) => row.endedAt === null).map(({ id }) => `${id} has not ended`));
  faults.push(...(await leftWorkers(site)));
  faults.push(...site.sentinels.faults(), ...failedRequests(site));
  faults.push(...site.daemons().flatMap(({ crashes }) => crashes.filter((crash) => !isExcused(crash, site))));
  return faults;
}

/**
 * serve gives up without its database, nobody can write to a full disk, and an agent whose name or folder another has is
 * refused: all are started again.
 */
function isExcused(crash: string, site: Site): boolean {
  return (
    /ended with 9: .*E_DATABASE/.test(crash) ||
    (site.smallDisk && /ended with 9: .*E_DISK_FULL/.test(crash)) ||
    (site.twins.length > 0 && /^(twin|agent)-\d ended with 8: .*E_CONFLICT/.test(crash))
  );
}

/** What serve could not answer although database and disk were there: no line and no request may bring it to that. */
function failedRequests(site: Site): string[] {
  return site.serves.flatMap(({ name }) =>
    site
      .log(name)
      .split("\n")
      .filter(
        (line) =>
          line.includes('"message":"a request failed"') && !/E_DATABASE|E_DISK_FULL|ENOSPC/.test(line),
      )
      .map((line) => `${name} answered with 5xx: ${line.slice(0, 400)}`)
      .slice(0, 2),
  );
}

/** Faults that keep an agent from being heard; together they may last longer than lease and grace. */
const silencing: readonly FaultKind[] = [
  "kill-agent",
  "pause-agent",
  "kill-machine",
  "refuse-requests",
  "lose-replies",
  "kill-serve",
  "pause-serve",
  "two-machines",
  "moved-workspace",
  "twin-agent",
  "torn-events",
  "torn-exit",
];
const graceMs = 2_400;

/** An attempt is LOST when its processes or its agent were taken away, and never because time has passed. */
function lostFaults(attempts: readonly Attempt[], site: Site, plan: Plan): string[] {
  const kinds = new Set(plan.faults.map(({ kind }) => kind));
  if (kinds.has("disk-full")) return [];
  const silent = plan.faults.reduce(
    (sum, { kind, ms }) => sum + (silencing.includes(kind) ? ms + 800 : 0),
    0,
  );
  return attempts.flatMap(({ id, nodeId, state, reason, message }) => {
    if (state !== "LOST" || reason !== "lost" || site.taken.has(id)) return [];
    if (/^not heard of/.test(message ?? "") && silent > graceMs) return [];
    if (kinds.has("stale-agent") && nodeId === "n2") return [];
    return [`${id} is LOST, and nothing took it away: ${message}`];
  });
}

/** After a move the first attempt goes on at least from where the last one had committed. */
function resumeFaults(attempts: readonly Attempt[], steps: Steps, site: Site, plan: Plan): string[] {
  if (plan.faults.some(({ kind }) => kind === "torn-checkpoint" || kind === "disk-full")) return [];
  if (plan.runs.some(({ stages }) => stages.some(({ mishaps }) => mishaps.some(({ how }) => how === "nan"))))
    return [];
  return site.interrupted.flatMap(({ shard, step, at }) => {
    const next = attempts
      .filter((row) => row.shardId === shard && row.dispatchedAt > at)
      .sort((a, b) => a.epoch - b.epoch)[0];
    if (next === undefined) return [];
    const from = next.resumeFrom === null ? 0 : (steps.get(next.resumeFrom) ?? 0);
    return from >= step
      ? []
      : [`${next.id} goes on from step ${from} after a move, step ${step} was committed`];
  });
}

type Attempt = Awaited<ReturnType<Site["database"]["attempt"]["findMany"]>>[number];
/** Of checkpoints, by the id of their row. */
type Steps = ReadonlyMap<string, number>;

async function allCheckpoints({ database }: Site): Promise<Steps> {
  const rows = await database.artifact.findMany({ where: { kind: "checkpoint" } });
  return new Map(rows.map(({ id, step }) => [id, step ?? 0]));
}

/** Two processes never speak for one attempt. */
function startedTwice(events: readonly LoggedEvent[]): string[] {
  const begun = new Set<string>();
  return events.flatMap(({ type, attemptId, data }) => {
    if (type !== "worker.started" || (data as { program?: string }).program !== "stand-in") return [];
    const again = begun.has(attemptId!);
    begun.add(attemptId!);
    return again ? [`${attemptId} has started twice`] : [];
  });
}

/** Every line of a worker counts once: no metric of a step twice, and none missing between those of one attempt. */
async function metricFaults(site: Site): Promise<string[]> {
  const rows = await site.database.$queryRaw<
    { attempt: string; steps: bigint; least: number; most: number; rows: bigint; processes: bigint }[]
  >`
    select "attemptId" as attempt, count(distinct step) as steps, count(*) as rows, min(step)::int as least, max(step)::int as most,
           count(distinct floor(value)) as processes
      from "Metric" where name = 'loss' group by "attemptId"`;
  return rows.flatMap(({ attempt, steps, least, most, rows: count, processes }) => {
    if (processes > 1n) return [`${attempt}: metrics of ${processes} processes`];
    if (count !== steps) return [`${attempt}: ${count} metrics of ${steps} steps`];
    return Number(steps) === most - least + 1
      ? []
      : [`${attempt}: ${steps} metrics from step ${least} to ${most}`];
  });
}

async function leftWorkers(site: Site): Promise<string[]> {
  const deadline = Date.now() + afterlifeMs * site.pace;
  while (site.workers().length > 0 && Date.now() < deadline) await sleep(100);
  return site.workers().map((pid) => `process ${pid} of a worker is left`);
}
