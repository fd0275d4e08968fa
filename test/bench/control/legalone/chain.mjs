// A chain of empty stages through the whole of legalone.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { packageRoot } from "../../../../dist/core/paths.js";
import { openDatabase } from "../../../../dist/records/database.js";
import { databaseSpec } from "../../../../dist/services/addresses.js";
import { startPostgres, stopPostgres } from "../../../../dist/services/postgres.js";
import { openWorkspace } from "./workspace.mjs";

/**
 * Runs one chain of `steps` stages and `submits - 1` of one stage, after a chain of two that is not counted.
 * Beside what other tools give: `committedMs`, from the commit of a stage's `result` to the commit of the next one's
 * `started`, by the database's clock.
 */
export async function measureLegalone({ steps, submits }) {
  const workspace = openWorkspace();
  try {
    await keepCommitTimes(workspace.home);
    await workspace.up();
    await oneChain(workspace, 2, "warm");
    const chains = [];
    for (let i = 0; i < submits; i++) chains.push(await oneChain(workspace, i === 0 ? steps : 1, `c${i}`));
    return {
      tool: "legalone",
      version: JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")).version,
      coldMs: workspace.upMs,
      commandMs: await commandMs(workspace),
      submitMs: chains.map(({ submitMs }) => submitMs),
      stageMs: chains[0].stageMs,
      committedMs: chains[0].committedMs,
      processes: true,
      note: "cold is PostgreSQL, Valkey, serve and agent",
    };
  } finally {
    await workspace.close();
  }
}

async function oneChain(workspace, steps, salt) {
  const { run, at } = await workspace.submit(workspace.chain(steps, salt));
  await workspace.ended(run);
  const marks = await marksOf(workspace, run);
  return {
    submitMs: (marks[0].begin - Number(at)) / 1e6,
    stageMs: marks.slice(1).map((mark, i) => (mark.begin - marks[i].end) / 1e6),
    committedMs: await committedMs(workspace, run),
  };
}

/** What the workers of a run wrote down, in the order of its stages. */
export async function marksOf({ database, home }, run) {
  const attempts = await database.attempt.findMany({
    where: { shard: { stage: { runId: run } } },
    select: { id: true, shard: { select: { stage: { select: { position: true } } } } },
  });
  attempts.sort((a, b) => a.shard.stage.position - b.shard.stage.position);
  return attempts.map(({ id }) => ({
    ...JSON.parse(readFileSync(join(home, "attempts", id, "marks.json"), "utf8")),
    attempt: id,
  }));
}

async function committedMs({ database }, run) {
  const events = await database.$queryRaw`
    select type, extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as at from "Event"
     where "runId" = ${run} and type in ('worker.result', 'worker.started') order by id`;
  const times = (type) => events.filter((event) => event.type === type).map(({ at }) => Number(at));
  const results = times("worker.result");
  return times("worker.started")
    .slice(1)
    .map((started, i) => started - results[i]);
}

/** PostgreSQL keeps the times of commits only when told before it starts. */
async function keepCommitTimes(home) {
  await startPostgres(home);
  const database = openDatabase(databaseSpec(home));
  await database.$executeRawUnsafe("alter system set track_commit_timestamp = on");
  await database.$disconnect();
  await stopPostgres(home);
}

/** What a user waits for `legalone train --detach` when everything runs already. */
async function commandMs(workspace) {
  const file = workspace.chain(1, "command");
  const from = performance.now();
  await execa(process.execPath, [join(packageRoot, "dist", "bin.js"), "train", file, "--detach"]);
  return performance.now() - from;
}
