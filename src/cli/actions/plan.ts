import { loadPipeline } from "../../config/load.ts";
import { ExitCode } from "../../core/errors.ts";
import { npuDevices } from "../../dispatch/npu-devices.ts";
import { gatherExisting } from "../../plan/existing.ts";
import { planPipeline } from "../../plan/plan.ts";
import { lookOf } from "../../views/look.ts";
import { planView } from "../../views/plan.ts";
import { note, noteOnTerminal, print } from "./output.ts";
import { withPlanRecords } from "./plan-records.ts";

export interface PlanCommandOptions {
  json?: boolean;
  set?: string[];
  assumeInputs?: boolean;
  from?: string;
  until?: string;
}

/** Shows what a run of the file would do. Missing inputs end with exit code 3; nothing is started. */
export async function plan(
  file: string,
  { json, set = [], assumeInputs, from, until }: PlanCommandOptions,
): Promise<void> {
  const pipeline = loadPipeline(file, { set });
  const { result: existing, reached } = await withPlanRecords((records) =>
    gatherExisting(pipeline, records, { scope: { from, until }, slow: noteOnTerminal }),
  );
  const planned = planPipeline(pipeline, existing, { assumeInputs, from, until });
  const npusHere = npuDevices().length;
  if (json) print(JSON.stringify({ ...planned, records: reached, npusHere }));
  else {
    print(planView(planned, lookOf(process.stdout), npusHere));
    if (!reached)
      note(
        "The records cannot be read (legalone up starts them): every stage is planned as if nothing had run.",
      );
  }
  if (planned.verdict === "blocked") process.exitCode = ExitCode.refused;
}
