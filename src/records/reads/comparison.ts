import type { PrismaClient } from "../generated/client.ts";
import { inputArtifacts } from "../inputs.ts";
import { cursorOf } from "./consumed.ts";
import { type RunDetail, readRun } from "./runs.ts";
import type { StageRow } from "./stages.ts";

/** A stage with what decides whether another is the same. */
export interface ComparedStage {
  row: StageRow;
  /** Content of its inputs by stage and kind. */
  inputs: Record<string, string>;
  /** What its training consumed, as its newest checkpoint tells: row, ledger head, hash of the order. */
  consumed: Record<string, unknown>;
}

export interface ComparedRun {
  detail: RunDetail;
  stages: ComparedStage[];
}

/** Reads a run with what a comparison needs. @throws E_NOT_FOUND */
export async function readForComparison(db: PrismaClient, run: string): Promise<ComparedRun> {
  const detail = await readRun(db, run);
  const stages = await Promise.all(
    detail.stages.map(async (row): Promise<ComparedStage> => {
      return { row, inputs: await inputsOf(db, row.id), consumed: await lastPosition(db, row) };
    }),
  );
  return { detail, stages };
}

async function inputsOf(db: PrismaClient, stageId: string): Promise<Record<string, string>> {
  const inputs: Record<string, string> = {};
  for (const { kind, stage, artifact } of await inputArtifacts(db, stageId)) {
    const name = `${kind} of ${stage}`;
    inputs[name] = [inputs[name], artifact.sha256].filter(Boolean).join(" ");
  }
  return inputs;
}

/** Also of a checkpoint whose bytes are gone: its row keeps where it stood. */
async function lastPosition(db: PrismaClient, stage: StageRow): Promise<Record<string, unknown>> {
  const checkpoint = await db.artifact.findFirst({
    where: { stageId: stage.cachedFrom ?? stage.id, kind: "checkpoint" },
    orderBy: [{ step: "desc" }, { committedAt: "desc" }],
  });
  if (!checkpoint) return {};
  const cursor = cursorOf(checkpoint.meta);
  const told = ["row", "ledger", "orderSha256"].filter((key) => cursor[key] !== undefined);
  return { step: checkpoint.step, ...Object.fromEntries(told.map((key) => [key, cursor[key]])) };
}
