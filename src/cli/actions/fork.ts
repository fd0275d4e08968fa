import { loadPipeline, writtenText } from "../../config/load.ts";
import type { ResolvedPipeline, ResolvedStage } from "../../config/types.ts";
import { differences, shortValue } from "../../core/differences.ts";
import { LegaloneError } from "../../core/errors.ts";
import { uniqueTags } from "../../core/labels.ts";
import { withRecordedPipeline } from "../../core/recorded.ts";
import { unknownName } from "../../core/suggest.ts";
import { gatherExisting } from "../../plan/existing.ts";
import { planPipeline } from "../../plan/plan.ts";
import type { Database } from "../../records/database.ts";
import { refuseTooMany } from "../../records/labels.ts";
import { checkpointAt, checkpointsOf } from "../../records/reads/checkpoints.ts";
import { type RunDetail, readRun, resolveRunId } from "../../records/reads/runs.ts";
import { forkAmendment } from "../fork-amendment.ts";
import { ensureUp } from "./ensure-up.ts";
import { newRun } from "./new-run.ts";
import { note, noteOnTerminal } from "./output.ts";
import { planRecords } from "./plan-records.ts";
import { withRecords } from "./records.ts";
import { submitAndFollow } from "./submit.ts";
import { refuseBlocked } from "./train.ts";

export interface ForkOptions {
  json?: boolean;
  detach?: boolean;
  stage: string;
  step?: number;
  set?: string[];
  until?: string;
  priority?: number;
  name?: string;
  tag?: string[];
  note?: string;
  idempotencyKey?: string;
}

/** A pipeline, and what a run keeps of where it came from. */
interface Source {
  pipeline: ResolvedPipeline;
  file: string;
  written: string;
}

/**
 * Begins a new run whose stage goes on from a checkpoint of an old run, under a changed configuration. What comes before
 * that stage is taken by content where it is there, and run otherwise.
 * @throws E_NOT_FOUND with the steps there are; E_CONFIG, E_USAGE and E_PLAN_REFUSED as `train`
 */
export async function fork(name: string, file: string | undefined, options: ForkOptions): Promise<void> {
  await ensureUp(options);
  await withRecords(async (db) => {
    const old = await readRun(db, await resolveRunId(db, name));
    const asked = sourceOf(old, file, options);
    forkedStage(asked.pipeline, old, options.stage);
    const { id, step, sha256 } = await startOf(db, old, options);
    const { pipeline, ...source } = amendedSource(old, asked, { ...options, step: step ?? 0 }, file);
    const stage = forkedStage(pipeline, old, options.stage);
    const starts = { [stage.name]: { run: old.run.id, step: step ?? 0, sha256 } };
    const existing = await gatherExisting(pipeline, planRecords(db), {
      starts,
      scope: { until: options.until },
      slow: noteOnTerminal,
    });
    const plan = planPipeline(pipeline, existing, { until: options.until });
    refuseBlocked(plan);
    if (!options.json) {
      note(`fork of ${old.run.id}: ${stage.name} begins from its checkpoint at step ${step}`);
      const again = plan.stages.filter(
        ({ action, position }) => action === "RUN" && position < stage.position,
      );
      if (again.length > 0)
        note(`not there by content, so run first: ${again.map((one) => one.name).join(", ")}`);
    }
    // A name means one run; tags and note are as true of what was made from it.
    const tag = uniqueTags(old.run.tags, options.tag ?? []);
    refuseTooMany(tag);
    const settings = {
      ...options,
      tag,
      ...(old.run.note === null ? {} : { note: options.note ?? old.run.note }),
      fork: { run: old.run.id, stage: stage.name, checkpoint: id },
    };
    await submitAndFollow(db, newRun(pipeline, source.file, source.written, settings), options);
  });
}

/** The source with the amendment of its order written into it, where there is one. */
function amendedSource(
  old: RunDetail,
  asked: Source,
  options: ForkOptions & { step: number },
  file: string | undefined,
): Source {
  const { stage: name, step, set = [], json = false } = options;
  const named = (pipeline: ResolvedPipeline) => pipeline.stages.find((one) => one.name === name)!;
  const amendment = withRecordedPipeline(old.run, (before: ResolvedPipeline) =>
    forkAmendment(named(before), named(asked.pipeline), step),
  );
  if (amendment === null) return asked;
  if (!json) note(`order amended from step ${step} on: ${amendment.told.join("; ")}`);
  return sourceOf(old, file, { ...options, json: true, set: [...set, amendment.set] });
}

async function startOf(db: Database, { run: { id: run } }: RunDetail, { stage, step }: ForkOptions) {
  return checkpointAt(await checkpointsOf(db, run, stage), { run, stage, step });
}

/** The file that was named, or the text that the old run kept, read as if it still stood where it did. */
function sourceOf(
  { run }: RunDetail,
  file: string | undefined,
  { set = [], json = false }: ForkOptions,
): Source {
  if (file !== undefined)
    return { pipeline: loadPipeline(file, { set }), file, written: writtenText(file, set) };
  const then = withRecordedPipeline(run, (pipeline: ResolvedPipeline) => pipeline);
  const now = loadPipeline(then.file, { text: run.written });
  const moved = differences({ ...then, file: null }, { ...now, file: null });
  if (moved.length > 0 && !json) note(movedText(run.id, moved));
  return {
    pipeline: set.length === 0 ? now : loadPipeline(then.file, { set, text: run.written }),
    file: run.file,
    written: writtenText(then.file, set, run.written),
  };
}

/** configs/ and stages/ are read anew: what they say now counts. */
function movedText(run: string, moved: ReturnType<typeof differences>): string {
  const shown = moved.slice(0, 5).map(({ path, before, after }) => {
    return `  ${path}: ${shortValue(before)} -> ${shortValue(after)}`;
  });
  const more = moved.length > 5 ? [`  and ${moved.length - 5} more`] : [];
  return [`configs changed since run ${run}; what they say now counts:`, ...shown, ...more].join("\n");
}

/** @throws E_USAGE where the stage is none of the pipeline, another kind than before, or split */
function forkedStage(pipeline: ResolvedPipeline, old: RunDetail, name: string): ResolvedStage {
  const stage = pipeline.stages.find((one) => one.name === name);
  const before = old.stages.find((one) => one.name === name);
  if (!stage || !before) {
    const names = (stage ? old.stages : pipeline.stages).map((one) => one.name);
    if (stage) throw unknownName("E_NOT_FOUND", `stage of run ${old.run.id}`, name, names);
    throw unknownName("E_USAGE", `stage of ${pipeline.file}`, name, names);
  }
  if (stage.kind !== before.kind) {
    throw new LegaloneError(
      "E_USAGE",
      `${name} was a ${before.kind} in run ${old.run.id} and is a ${stage.kind} now`,
      {
        hint: "a checkpoint is of use to its own stage kind only",
      },
    );
  }
  if (stage.shards > 1 || before.shards.length > 1) {
    throw new LegaloneError(
      "E_USAGE",
      `${name} is split in shards, so that there is no one checkpoint to begin from`,
      {
        hint: "fork a training stage",
      },
    );
  }
  return stage;
}
