import type { Change } from "../core/changes.ts";
import { LegaloneError } from "../core/errors.ts";
import { type Database, databaseError, databaseNow, type Writer } from "./database.ts";
import { addBells, writeHappenings } from "./happenings.ts";
import { newStageRows } from "./new-stage.ts";
import { stagesUpTo } from "./runs.ts";

export interface ResumeOptions {
  /** Stages to run again although they succeeded; what comes after them runs again too. */
  stages?: string[];
  /** Last stage to run. */
  until?: string;
  by?: string;
}

/**
 * Goes on with a run: every stage whose newest row FAILED or was CANCELLED gets a row of the next generation; the old
 * ones stay. Its attempts go on from the newest checkpoint of the same stage. Does nothing to a run that is running or done.
 * @returns names of the stages that run again
 * @throws LegaloneError E_NOT_FOUND; E_USAGE for an unknown stage; E_GATE_FAILED when only a gate that did not hold
 * keeps the rest from running
 */
export async function resumeRun(
  database: Database,
  run: string,
  options: ResumeOptions = {},
): Promise<string[]> {
  try {
    return await database.$transaction((writer) => insertGenerations(writer, run, options));
  } catch (error) {
    throw databaseError(error);
  }
}

type Current = Awaited<ReturnType<typeof currentStages>>[number];

async function insertGenerations(writer: Writer, run: string, options: ResumeOptions): Promise<string[]> {
  // Two resumes at once: the second waits here, and then finds nothing left to do.
  const [found] = await writer.$queryRaw<{ id: string }[]>`select id from "Run" where id = ${run} for update`;
  if (!found) throw new LegaloneError("E_NOT_FOUND", `no run ${run}`, { hint: "legalone status" });
  const current = await currentStages(writer, run);
  const again = chooseStages(current, options);
  if (again.length === 0) return [];
  const now = await databaseNow(writer);
  const changes: Change[] = again.flatMap((stage) =>
    newStageRows(
      run,
      { ...stage, spec: stage.spec as object, generation: stage.generation + 1, shards: stage.shards.length },
      now,
      true,
    ),
  );
  const names = again.map((stage) => stage.name);
  await writer.run.update({ where: { id: run }, data: { until: options.until ?? null } });
  const data = { stages: names, until: options.until ?? null, by: options.by ?? null };
  await writeHappenings(writer, [{ runId: run, type: "run.resumed", data, changes }]);
  await addBells(writer, [{ topic: "reconcile", key: `resume-${run}-${now.getTime()}` }]);
  return names;
}

/** Stages of the highest generation, in the order of the pipeline. */
async function currentStages(writer: Writer, run: string) {
  const rows = await writer.stage.findMany({
    where: { runId: run },
    orderBy: [{ position: "asc" }, { generation: "desc" }],
    include: { shards: { select: { id: true } }, gates: true },
  });
  return rows
    .filter((row, i) => rows.findIndex((other) => other.name === row.name) === i)
    .map((row) => ({ ...row, needs: (row.spec as { needs?: string[] }).needs ?? [] }));
}

function chooseStages(current: Current[], options: ResumeOptions): Current[] {
  const forced = new Set(options.stages ?? []);
  for (const name of forced) {
    if (!current.some((stage) => stage.name === name)) {
      throw new LegaloneError("E_USAGE", `there is no stage ${name} in this run`, {
        hint: `its stages are ${current.map((stage) => stage.name).join(", ")}`,
      });
    }
  }
  const inScope = stagesUpTo(current, options.until);
  const again = new Set<string>();
  const behindGate = new Set<string>();
  for (const stage of current) {
    const ended = stage.endedAt !== null;
    const gateFailed = stage.gates.some((gate) => !gate.passed) && !forced.has(stage.name);
    const follows = stage.needs.some((need) => again.has(need));
    if (gateFailed || stage.needs.some((need) => behindGate.has(need))) behindGate.add(stage.name);
    if (!ended || !inScope.has(stage.name)) continue;
    const undone = stage.state === "FAILED" || stage.state === "CANCELLED";
    if (forced.has(stage.name) || follows || (undone && !behindGate.has(stage.name))) {
      again.add(stage.name);
      if (!gateFailed) behindGate.delete(stage.name);
    }
  }
  if (again.size === 0) refuseBehindGate(current);
  return current.filter((stage) => again.has(stage.name));
}

function refuseBehindGate(current: Current[]): void {
  for (const stage of current) {
    const gate = stage.gates.find((candidate) => !candidate.passed);
    if (!gate) continue;
    throw new LegaloneError(
      "E_GATE_FAILED",
      `the gate of ${stage.name} did not hold: ${gate.metric} is ${gate.value}, to be ${gate.comparison} ${gate.against} (${gate.threshold})`,
      {
        hint: `change the pipeline and train it again; stages that stay the same are skipped`,
        fields: { stage: stage.name },
      },
    );
  }
}
