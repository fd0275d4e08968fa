import { setTimeout as sleep } from "node:timers/promises";
import type { ResolvedPipeline, ResolvedStage } from "../../../src/config/types.ts";
import { replayFaults } from "../../support/replay-faults.ts";
import { type Expected, expectedOf } from "../model.ts";
import type { Plan } from "../plan/types.ts";
import type { Site } from "../site/site.ts";
import { lineageFaults } from "./lineage.ts";
import { walkLog } from "./log.ts";

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
    faults.push(...lineageFaults(rows, names, known, expected.get(run.id)!));
  }
  faults.push(...(await metricFaults(site)));
  const leases = await db.lease.findMany();
  faults.push(...leases.map(({ id }) => `the lease ${id} is left`));
  faults.push(...attempts.filter((row) => row.endedAt === null).map(({ id }) => `${id} has not ended`));
  faults.push(...(await leftWorkers(site)));
  faults.push(...site.daemons().flatMap(({ crashes }) => crashes.filter((crash) => !isExcused(crash, site))));
  return faults;
}

/** serve gives up without its database, and nobody can write to a full disk: both are started again. */
function isExcused(crash: string, site: Site): boolean {
  return (
    /ended with 9: .*E_DATABASE/.test(crash) || (site.smallDisk && /ended with 9: .*E_DISK_FULL/.test(crash))
  );
}

/** Every line of a worker counts once: no metric of a step twice, and none missing between those of one attempt. */
async function metricFaults(site: Site): Promise<string[]> {
  const rows = await site.database.$queryRaw<
    { attempt: string; steps: bigint; least: number; most: number; rows: bigint }[]
  >`
    select "attemptId" as attempt, count(distinct step) as steps, count(*) as rows, min(step) as least, max(step) as most
      from "Metric" where name = 'loss' group by "attemptId"`;
  return rows.flatMap(({ attempt, steps, least, most, rows: count }) => {
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
