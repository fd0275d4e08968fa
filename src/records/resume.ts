import type { Change } from "../core/changes.ts";
import { LegaloneError } from "../core/errors.ts";
import { workspace } from "../core/paths.ts";
import { recordedSpec } from "../core/recorded.ts";
import { newestGenerations } from "../core/rows.ts";
import { missingFrom } from "./artifacts.ts";
import { type CurrentStage, chooseStages } from "./choose-stages.ts";
import { type Database, databaseError, databaseNow, type Writer } from "./database.ts";
import { addBells, StaleWrite, writeHappenings } from "./happenings.ts";
import { newStageRows } from "./new-stage.ts";

export interface ResumeOptions {
  /** Stages to run again although they succeeded; what comes after them runs again too. */
  stages?: string[];
  /** Last stage to run. */
  until?: string;
  by?: string;
}

/**
 * Goes on with a run: every stage whose newest row FAILED or was CANCELLED gets a row of the next generation; the old
 * ones stay. Its attempts go on from the newest checkpoint of the same stage. A stage whose outputs were removed from disk
 * runs again where something needs them. Does nothing to a run that is running or done.
 * @returns names of the stages that run again
 * @throws LegaloneError E_NOT_FOUND; E_USAGE for an unknown stage; E_GATE_FAILED when only a gate that did not hold
 * keeps the rest from running; E_CONFLICT when a stage works with what another is to make again, or its record cannot be used
 */
export async function resumeRun(
  database: Database,
  run: string,
  options: ResumeOptions = {},
): Promise<string[]> {
  try {
    for (;;) {
      try {
        return await database.$transaction((writer) => insertGenerations(writer, run, options));
      } catch (error) {
        // A stage that waited has just begun: what follows from that is chosen anew.
        if (!(error instanceof StaleWrite)) throw error;
      }
    }
  } catch (error) {
    throw databaseError(error);
  }
}

async function insertGenerations(writer: Writer, run: string, options: ResumeOptions): Promise<string[]> {
  // Two resumes at once: the second waits here, and then finds nothing left to do.
  const [found] = await writer.$queryRaw<{ id: string }[]>`select id from "Run" where id = ${run} for update`;
  if (!found) throw new LegaloneError("E_NOT_FOUND", `no run ${run}`, { hint: "legalone status" });
  const current = await currentStages(writer, run);
  const again = chooseStages(current, options);
  if (again.length === 0) return [];
  const now = await databaseNow(writer);
  const waiting = again.filter(({ state }) => state === "PENDING");
  const inserts = again.flatMap((stage) =>
    newStageRows(
      run,
      // One that ended well is repeated on purpose: its own outputs must not be taken for those of the repeat.
      { ...stage, generation: stage.generation + 1, fresh: stage.fresh || hasEndedWell(stage) },
      now,
      true,
    ),
  );
  const changes = [...waiting.flatMap((stage) => givenUp(stage, now)), ...inserts];
  const names = again.map((stage) => stage.name);
  const data = { stages: names, until: options.until ?? null, by: options.by ?? null };
  await writeHappenings(writer, [{ runId: run, type: "run.resumed", data, changes }]);
  await addBells(writer, [{ topic: "reconcile", key: `resume-${run}-${now.getTime()}` }]);
  return names;
}

/** A row that waited for one that runs again makes way for a new one, unless it has begun in this moment. */
function givenUp({ id }: CurrentStage, now: Date): Change[] {
  const why = {
    reason: "cancelled",
    cause: "OPERATOR",
    message: "what it waited for runs again, and so does it",
  };
  return [
    {
      table: "Stage",
      id,
      expect: { state: "PENDING" },
      set: { ...why, state: "CANCELLED", desired: "STOP", endedAt: now },
    },
    { table: "Shard", all: { stageId: id, state: "PENDING" }, set: { state: "CANCELLED" } },
  ];
}

function hasEndedWell({ state, outputsGone }: CurrentStage): boolean {
  return (state === "SUCCEEDED" || state === "SKIPPED") && !outputsGone;
}

/** Stages of the highest generation, in the order of the pipeline. */
async function currentStages(writer: Writer, run: string): Promise<(CurrentStage & { codeHash: string })[]> {
  const rows = await writer.stage.findMany({
    where: { runId: run },
    orderBy: [{ position: "asc" }, { generation: "desc" }],
    include: { _count: { select: { shards: true } }, gates: true },
  });
  const current = newestGenerations(rows);
  const outputs = await writer.artifact.findMany({
    where: { stageId: { in: current.map((row) => row.cachedFrom ?? row.id) }, kind: { not: "checkpoint" } },
    select: { stageId: true, uri: true, goneAt: true },
  });
  // What is not seen here is asked for again and marked by nobody: serve takes it from the cache when it is there.
  const gone = [...outputs.filter(({ goneAt }) => goneAt !== null), ...missingFrom(outputs, workspace())];
  const incomplete = new Set(gone.map((artifact) => artifact.stageId));
  return current.map(({ _count, ...row }) => {
    const spec = recordedSpec<CurrentStage["spec"]>(row);
    const outputsGone = incomplete.has(row.cachedFrom ?? row.id);
    return { ...row, spec, shards: _count.shards, needs: spec.needs ?? [], outputsGone };
  });
}
