// Many shards in one stage: how fast, how many rows, how much memory, and whether it grows in a straight line.
import { rounded } from "../statistics.mjs";
import { forgetPeak, peakMib } from "./memory.mjs";
import { openWorkspace } from "./workspace.mjs";

/**
 * One stage of each number of shards, one after another in one workspace. `engine` is count (nothing starts) or process.
 * @returns a row for each number of shards: seconds, shards/s, rows written, peaks of serve and agent in MiB
 */
export async function measureFanOut({ engine, shards, slots }) {
  const workspace = openWorkspace();
  try {
    await workspace.up();
    await workspace.restartAgent(slots);
    await oneStage(workspace, engine, 20);
    const measured = [];
    for (const count of shards) measured.push(await oneStage(workspace, engine, count));
    return { engine, slots, measured };
  } finally {
    await workspace.close();
  }
}

async function oneStage(workspace, engine, count) {
  const { database, daemons } = workspace;
  const pids = [daemons.serve.pid, daemons.agent.pid];
  for (const pid of pids) forgetPeak(pid);
  const name = `${engine}-${count}`;
  const cluster = engine === "count" ? "counting" : "this-machine";
  const stage = `  fan: {uses: count, shards: ${count}, with: {salt: "${name}"}}`;
  const { run } = await workspace.submit(workspace.pipeline(name, [stage], cluster));
  await workspace.ended(run, 1_800_000);
  const [time] = await database.$queryRaw`
    select extract(epoch from "endedAt" - "createdAt")::float8 as seconds from "Stage" where "runId" = ${run}`;
  const [serveMib, agentMib] = pids.map(peakMib);
  return {
    shards: count,
    seconds: rounded(time.seconds, 2),
    shardsPerSecond: rounded(count / time.seconds),
    rows: await rowsOf(database, run),
    serveMib,
    agentMib,
  };
}

/** Rows that the run left, by table. */
async function rowsOf(database, runId) {
  const attempts = { shard: { stage: { runId } } };
  const counts = {
    shards: database.shard.count({ where: { stage: { runId } } }),
    attempts: database.attempt.count({ where: attempts }),
    events: database.event.count({ where: { runId } }),
    leases: database.lease.count({ where: { attempt: attempts } }),
    metrics: database.metric.count({ where: { attempt: attempts } }),
    outbox: database.outbox.count(),
  };
  const named = await Promise.all(Object.entries(counts).map(async ([name, count]) => [name, await count]));
  return Object.fromEntries(named);
}
