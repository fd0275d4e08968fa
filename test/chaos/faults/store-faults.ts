import { Redis } from "ioredis";
import type { Inject, Scene } from "./types.ts";

const killValkey: Inject = async ({ site, wait }, { ms }) => {
  site.lane.killValkey();
  await wait(ms);
  await site.lane.start();
  return true;
};

const killPostgres: Inject = async ({ site, wait }, { ms }) => {
  site.lane.killPostgres();
  await wait(ms);
  await site.lane.start();
  return true;
};

const pauseValkey: Inject = async ({ site, wait }, { ms }) => {
  site.lane.pauseValkey();
  await wait(ms);
  site.lane.resume();
  return true;
};

const pausePostgres: Inject = async ({ site, wait }, { ms }) => {
  site.lane.pausePostgres();
  await wait(ms);
  site.lane.resume();
  return true;
};

/** Cuts one connection of serve in whatever it is doing. */
const killBackend: Inject = async ({ site }, { pick }) => {
  const victims = `select pid from pg_stat_activity where datname = '${site.name}' and application_name = 'legalone'`;
  try {
    await site.lane.admin(
      `select pg_terminate_backend(pid) from (${victims} order by pid) v
        offset floor(${pick} * (select count(*) from (${victims}) w)) limit 1`,
    );
    return true;
  } catch {
    return false;
  }
};

const flushQueue: Inject = async (scene) => {
  return withQueue(scene, async (redis) => {
    await redis.flushall();
    return true;
  });
};

/** Agents stand still until jobs wait for them, and those are taken away. */
const deleteJobs: Inject = async (scene) => {
  const still = scene.site.agents.filter((agent) => agent.pause());
  const waiting = /:(wait|active|prioritized|delayed|\d+)$/;
  try {
    return await withQueue(scene, async (redis) => {
      const jobs = await scene.find(async () => {
        const keys = (await redis.keys(`${scene.site.name}:*`)).filter((key) => waiting.test(key));
        return keys.length > 0 ? keys : undefined;
      });
      if (jobs) await redis.del(jobs);
      return jobs !== undefined;
    });
  } finally {
    for (const agent of still) agent.resume();
  }
};

/** Rings every bell of the outbox once more, heard or not, and a few that were never asked for. */
const ringAgain: Inject = async ({ site, patiently }) => {
  const { BullmqDoorbell } = await import("../../../src/dispatch/doorbell/bullmq-doorbell.ts");
  const { createLog } = await import("../../../src/core/log.ts");
  const rows = await patiently(() => site.database.outbox.findMany({ take: 20 }));
  const bell = new BullmqDoorbell({ path: site.lane.queueUrl() }, site.name, createLog({ level: "error" }));
  try {
    const bells = [...rows, { topic: "reconcile", key: "again" }, { topic: "node-n1", key: "nobody" }];
    const rung = await Promise.all(bells.map(({ topic, key }) => bell.ring(topic, key)));
    return rung.some(Boolean);
  } finally {
    await bell.close();
  }
};

const dropOutbox: Inject = async ({ site, patiently }) => {
  return (await patiently(() => site.database.outbox.deleteMany())).count > 0;
};

async function withQueue({ site }: Scene, work: (redis: Redis) => Promise<boolean>): Promise<boolean> {
  const redis = new Redis({
    path: site.lane.queueUrl(),
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    commandTimeout: 2_000,
  });
  redis.on("error", () => {});
  try {
    await redis.connect();
    return await work(redis);
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

export const storeFaults = {
  "kill-valkey": killValkey,
  "kill-postgres": killPostgres,
  "kill-backend": killBackend,
  "pause-valkey": pauseValkey,
  "pause-postgres": pausePostgres,
  "flush-queue": flushQueue,
  "ring-again": ringAgain,
  "delete-jobs": deleteJobs,
  "drop-outbox": dropOutbox,
} satisfies Record<string, Inject>;
