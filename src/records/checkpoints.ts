import type { Change } from "../core/changes.ts";
import { isHash } from "../core/places.ts";
import { recordedKeeping } from "../core/recorded.ts";
import type { ArtifactRow, GoneWhy } from "../core/rows.ts";
import { defaultKeep, staleSteps } from "../core/stale-steps.ts";
import type { Database, Writer } from "./database.ts";
import type { EventLine, LiveAttempt } from "./ingest.ts";
import { inputArtifacts } from "./inputs.ts";

/** A worker that finds more than these damaged has a damaged disk. */
const mostOlder = 8;

/** Marks as gone of an attempt's checkpoints that need not stay once `fresh` is committed; its agent removes them then. */
export async function prunedChanges(
  writer: Writer,
  attempt: LiveAttempt,
  fresh: readonly ArtifactRow[],
  now: Date,
): Promise<Change[]> {
  const old = await writer.artifact.findMany({
    where: { attemptId: attempt.id, kind: "checkpoint", goneAt: null },
    select: { id: true, step: true },
  });
  const all = [...old, ...fresh.filter((row) => row.kind === "checkpoint")];
  const steps = [...new Set(all.map(({ step }) => step ?? 0))];
  const rule = recordedKeeping(attempt.checkpoint);
  // By a rule that nobody can read nothing goes.
  if (rule === null) return [];
  const stale = new Set(staleSteps(steps, rule.keep ?? defaultKeep, rule.keepEvery));
  const going = all.filter(({ step }) => stale.has(step ?? 0)).map(({ id }) => id);
  const kept = await writer.stage.findMany({
    where: { startFrom: { in: going }, endedAt: null },
    select: { startFrom: true },
  });
  const starts = new Set(kept.map(({ startFrom }) => startFrom));
  return going.filter((id) => !starts.has(id)).map((id) => gone(id, "pruned", now));
}

/** Steps of an attempt's checkpoints that a fork is to begin with: they stay on disk until it has ended. */
export async function stepsOfForks(database: Database, attempt: string): Promise<number[]> {
  const rows = await database.$queryRaw<{ step: number | bigint }[]>`
    select distinct a.step from "Artifact" a join "Stage" s on s."startFrom" = a.id
     where a."attemptId" = ${attempt} and a.kind = 'checkpoint' and a."goneAt" is null and s."endedAt" is null`;
  return rows.map(({ step }) => Number(step));
}

/**
 * What a worker's warning about a damaged checkpoint means for the records: that checkpoint is given up, so that no
 * later attempt begins with it. It counts for checkpoints that earlier attempts of the same run and shard made.
 */
export async function damagedChanges(
  writer: Writer,
  attempt: LiveAttempt,
  lines: readonly EventLine[],
  now: Date,
): Promise<Map<EventLine, Change[]>> {
  const changes = new Map<EventLine, Change[]>();
  const given = new Set<string>();
  for (const line of lines) {
    if (line.type !== "warning" || line.code !== "input_damaged" || !isHash(line.input)) continue;
    // Of its own stage's inputs only: nobody gives up what belongs to others.
    const inputs = (await inputArtifacts(writer, attempt.stageId)).map(({ artifact }) => artifact);
    const damaged = inputs.filter(
      ({ id, sha256, goneAt }) => sha256 === line.input && goneAt === null && !given.has(id),
    );
    for (const { id } of damaged) given.add(id);
    changes.set(
      line,
      damaged.map(({ id }) => gone(id, "damaged", now)),
    );
  }
  const told = lines.filter((line) => line.type === "warning" && line.code === "checkpoint_damaged");
  for (const line of told) {
    if (typeof line.checkpoint !== "string") continue;
    const { id: own, runId, shard } = attempt;
    const found = await writer.artifact.findMany({
      where: {
        runId,
        shard,
        kind: "checkpoint",
        sha256: line.checkpoint,
        goneAt: null,
        attemptId: { not: own },
      },
      select: { id: true },
    });
    const fresh = found.map(({ id }) => id).filter((id) => !given.has(id));
    for (const id of fresh) given.add(id);
    changes.set(
      line,
      fresh.map((id) => gone(id, "damaged", now)),
    );
  }
  return changes;
}

function gone(id: string, goneWhy: GoneWhy, now: Date): Change {
  return { table: "Artifact", id, expect: { goneAt: null }, set: { goneAt: now, goneWhy } };
}

/**
 * Committed checkpoints before the one an attempt goes on from, newest first: of the same run, shard, stage name and
 * cache key. The worker takes the first sound one when its own is damaged.
 */
export async function olderCheckpoints(database: Database, resume: ArtifactRow): Promise<ArtifactRow[]> {
  const maker = await database.stage.findUnique({ where: { id: resume.stageId } });
  if (!maker || maker.cacheKey === null || resume.step === null) return [];
  const { runId, name, cacheKey } = maker;
  const makers = await database.stage.findMany({ where: { runId, name, cacheKey }, select: { id: true } });
  const rows = await database.artifact.findMany({
    where: {
      kind: "checkpoint",
      shard: resume.shard,
      goneAt: null,
      // One that is repeated on purpose takes nothing from the generations before it.
      stageId: { in: maker.fresh ? [maker.id] : makers.map(({ id }) => id) },
      step: { lt: resume.step },
    },
    orderBy: [{ step: "desc" }, { committedAt: "desc" }],
    take: mostOlder,
  });
  return rows;
}
