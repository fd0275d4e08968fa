import { fileURLToPath } from "node:url";
import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import { cacheKey, type HashedInput } from "../core/cache-key.ts";
import type { EarlierStage } from "../core/earlier-stage.ts";
import { checkScope, stagesFrom, stagesUntil } from "../core/scope.ts";
import { headOf } from "../core/variables.ts";
import { parameters } from "../recipe/capacity.ts";
import { type Changed, changedSince, changedText } from "./changed.ts";
import { estimateCost } from "./cost.ts";
import type { Checkpoint, Existing, Lack, Plan, PlannedStage, StageAction, Totals } from "./types.ts";
import { neededVariables } from "./variables.ts";

export interface PlanOptions {
  /** Takes inputs from outside as if they were there. */
  assumeInputs?: boolean | undefined;
  /** This stage and all that depends on it run afresh; everything else has to be there. */
  from?: string | undefined;
  /** Last stage to run; what it does not need is left out. */
  until?: string | undefined;
}

/**
 * Plans a run: for every stage RUN, SKIP, RESUME or BLOCKED and why, its cache key where all inputs are known, and cost.
 * Pure: the same pipeline and the same `existing` give the same plan.
 * @throws LegaloneError E_USAGE when `from` or `until` is no stage, or `until` leaves out `from`
 */
export function planPipeline(
  pipeline: ResolvedPipeline,
  existing: Existing,
  options: PlanOptions = {},
): Plan {
  const plan = planned(pipeline, existing, options);
  const tooMuch = beyondDisk(plan, existing);
  if (tooMuch === null) return plan;
  // Known only once all stages are priced that are not skipped.
  const full = plan.stages
    .filter(({ action, cost }) => action !== "SKIP" && cost.checkpointBytes)
    .map(({ name }) => [name, [...(existing.early[name] ?? []), tooMuch]] as const);
  return planned(
    pipeline,
    { ...existing, early: { ...existing.early, ...Object.fromEntries(full) } },
    options,
  );
}

/** Checkpoints that the disk has no room for, as a sentence. */
function beyondDisk({ totals: { checkpointBytes } }: Plan, { freeBytes }: Existing): string | null {
  if (freeBytes === null || checkpointBytes <= freeBytes) return null;
  return `the checkpoints of the run need ${gigabytes(checkpointBytes)}, and the disk of the workspace has ${gigabytes(freeBytes)} left; lower checkpoint.keep, free space, or set LEGALONE_HOME to a folder of a larger disk`;
}

/** With three digits, so that two that are near each other differ. */
function gigabytes(bytes: number): string {
  return `${Number((bytes / 1e9).toPrecision(3))} GB`;
}

function planned(
  pipeline: ResolvedPipeline,
  existing: Existing,
  { assumeInputs = false, from, until }: PlanOptions,
): Plan {
  checkScope(pipeline.stages, from, until);
  const done = new Map<string, PlannedStage>();
  const outputs = new Map<string, HashedInput[]>();
  const wanted = stagesUntil(pipeline.stages, until);
  const fresh = stagesFrom(pipeline.stages, from);
  for (const stage of pipeline.stages.filter(({ name }) => wanted.has(name))) {
    const { name, kind, position, shards, resources } = stage;
    const key = stageKey(stage, pipeline.seed, existing, outputs);
    const cached = key === null || fresh.has(name) ? undefined : existing.cached.get(key);
    if (cached) outputs.set(name, cached.artifacts);
    const earlier = cached ? undefined : existing.earlier[name];
    const changed = earlier ? changesOf(stage, earlier, pipeline, existing, outputs) : [];
    const missing = cached ? [] : blockersOf(stage, pipeline, existing, assumeInputs);
    const assumed = cached || !assumeInputs ? [] : refusalsOf(stage, existing);
    if (from !== undefined && !cached && !fresh.has(name))
      missing.unshift(lacksOutputs(earlier, changed, from));
    const decision = decide(stage, {
      planned: done,
      cached: cached?.run ?? null,
      missing,
      checkpoint: key === null || fresh.has(name) ? undefined : existing.checkpoints.get(key),
      start: existing.starts[name],
      changed,
      comparedWith: earlier?.run ?? null,
      from: fresh.has(name) ? from : undefined,
    });
    const cost = estimateCost(stage, pipeline);
    const rest = {
      missing,
      assumed,
      shards,
      resources,
      cacheKey: key,
      cost,
      changed,
      comparedWith: earlier?.run ?? null,
    };
    done.set(name, { name, kind, position, ...decision, ...rest });
  }
  const stages = [...done.values()];
  return {
    pipeline: pipeline.name,
    file: pipeline.file,
    cluster: pipeline.cluster.name,
    model: pipeline.model && { name: pipeline.model.name, parameters: parameters(pipeline.model) },
    stages,
    totals: totalsOf(stages, pipeline),
    missing: gathered(stages, ({ missing }) => missing),
    assumed: gathered(stages, ({ assumed }) => assumed),
    resume: resumable(stages, existing),
    warnings: [...warningsOf(pipeline), ...existing.warnings],
    verdict: verdictOf(stages),
  };
}

/** Cache key of a stage whose inputs are all known by content in `outputs`, else null. */
export function stageKey(
  stage: ResolvedStage,
  seed: number,
  { codeHashes, starts }: Pick<Existing, "codeHashes" | "starts">,
  outputs: ReadonlyMap<string, readonly HashedInput[]>,
): string | null {
  const codeHash = codeHashes[stage.name];
  const inputs = knownInputs(stage, outputs);
  if (codeHash === undefined || inputs === null) return null;
  return cacheKey(stage, { seed, codeHash, inputs, startFrom: starts[stage.name]?.sha256 });
}

/** Every artifact of every bound input in bound order, or null while one is not there. */
function knownInputs(
  stage: ResolvedStage,
  outputs: ReadonlyMap<string, readonly HashedInput[]>,
): (HashedInput & { stage: string | null })[] | null {
  const inputs: (HashedInput & { stage: string | null })[] = [];
  for (const input of stage.inputs) {
    if (input.stage === null) inputs.push(input);
    else {
      const made = outputs.get(input.stage)?.filter(({ kind }) => kind === input.kind);
      if (!made || made.length === 0) return null;
      inputs.push(...made.map(({ kind, sha256 }) => ({ kind, sha256, stage: input.stage })));
    }
  }
  return inputs;
}

function changesOf(
  stage: ResolvedStage,
  earlier: EarlierStage,
  pipeline: ResolvedPipeline,
  { codeHashes, starts }: Existing,
  outputs: ReadonlyMap<string, readonly HashedInput[]>,
): Changed[] {
  return changedSince(earlier, stage, pipeline, {
    codeHash: codeHashes[stage.name],
    inputs: knownInputs(stage, outputs),
    startFrom: starts[stage.name]?.sha256 ?? null,
  });
}

/** Why `--from` cannot begin: a stage that it takes as done is not. */
function lacksOutputs(earlier: EarlierStage | undefined, changed: readonly Changed[], from: string): string {
  const why = !earlier
    ? "it has not run before"
    : changedText(changed) || `what it needs changed since ${earlier.run}`;
  return `--from ${from} needs its outputs, and there are none: ${why}`;
}

/** The run whose checkpoints a resume would go on from. */
function resumable(stages: readonly PlannedStage[], { checkpoints }: Existing): string | null {
  for (const { action, cacheKey: key } of stages) {
    const found = action === "RESUME" && key !== null ? checkpoints.get(key) : undefined;
    if (found) return found.run;
  }
  return null;
}

interface Context {
  planned: ReadonlyMap<string, PlannedStage>;
  /** Run that made the same outputs before. */
  cached: string | null;
  missing: readonly string[];
  /** Of a run that `legalone resume` would go on with. */
  checkpoint: Checkpoint | undefined;
  /** Of a fork. */
  start: Checkpoint | undefined;
  changed: readonly Changed[];
  comparedWith: string | null;
  /** Where it is to run afresh: the stage that was asked for. */
  from: string | undefined;
}

function decide(
  { needs }: ResolvedStage,
  { planned, cached, missing, checkpoint, start, changed, comparedWith, from }: Context,
): { action: StageAction; why: string; step: number | null } {
  const as = (action: StageAction, why: string, step: number | null = null) => ({ action, why, step });
  if (cached !== null) return as("SKIP", `the same code, options and inputs ran in ${cached}`);
  if (missing.length > 0) return as("BLOCKED", missing.join("; "));
  const blocked = needs.filter((need) => planned.get(need)?.action === "BLOCKED");
  if (blocked.length > 0) return as("BLOCKED", `waits for ${blocked.join(", ")}`);
  if (start)
    return as("RESUME", `a fork of ${start.run}, from its checkpoint at step ${start.step}`, start.step);
  if (checkpoint) {
    const { run, step } = checkpoint;
    return as("RESUME", `\`legalone resume ${run}\` goes on from step ${step}; a new run begins at 0`, step);
  }
  const open = needs.filter((need) => planned.get(need)?.action !== "SKIP");
  const after = open.length > 0 ? [`after ${open.join(", ")}`] : [];
  if (from !== undefined) return as("RUN", [`afresh: --from ${from}`, ...after].join("; "));
  if (changed.length > 0)
    return as("RUN", [`${changedText(changed)} since ${comparedWith}`, ...after].join("; "));
  if (after.length > 0) return as("RUN", after[0]!);
  return as("RUN", "nothing with the same code, options and inputs has run before");
}

/** What keeps a stage itself from running, as sentences. */
function blockersOf(
  stage: ResolvedStage,
  pipeline: ResolvedPipeline,
  existing: Existing,
  assumeInputs: boolean,
): string[] {
  const tooMuch = excess(stage, pipeline);
  if (tooMuch !== null) return [...(assumeInputs ? [] : lacksOf(stage, existing)), tooMuch];
  return assumeInputs ? [] : refusalsOf(stage, existing);
}

/** What `train` refuses a stage for that may be assumed for a price. */
function refusalsOf(stage: ResolvedStage, existing: Existing): string[] {
  return [...lacksOf(stage, existing), ...(isGang(stage) ? [gangLimit] : [])];
}

/** No engine places one attempt on several nodes yet: such a run would wait for ever. */
const gangLimit = "asks for several nodes; this version runs a stage on one (docs/ascend.md)";

function isGang({ resources }: ResolvedStage): boolean {
  return resources.nodes > 1;
}

/** What of outside is not there, or not what it has to be. */
function lacksOf(stage: ResolvedStage, existing: Existing): string[] {
  const folders = stage.inputs.flatMap((input) => (input.stage === null ? [input.uri] : []));
  const variables = neededVariables(stage);
  // Below a folder that no variable names yet, everything is missing: that is said once.
  const lackOf = (address: string) => {
    const name = headOf(address);
    const unset = name !== undefined && existing.unsetVariables.has(name);
    return unset ? `${name} is not set` : `no ${address}`;
  };
  return [
    ...folders.filter((uri) => existing.missing.has(uri)).map((uri) => `no model at ${fileURLToPath(uri)}`),
    ...new Set(stage.external.filter((address) => existing.missing.has(address)).map(lackOf)),
    ...variables.filter((name) => existing.unsetVariables.has(name)).map((name) => `${name} is not set`),
    ...(existing.early[stage.name] ?? []),
  ];
}

function excess(stage: ResolvedStage, { cluster }: ResolvedPipeline): string | null {
  const { nodes, npus } = stage.resources;
  if (nodes > cluster.nodes) return `asks for ${nodes} nodes; ${cluster.name} has ${cluster.nodes}`;
  if (npus <= cluster.npus_per_node) return null;
  return `asks for ${npus} NPUs a node; ${cluster.name} has ${cluster.npus_per_node}`;
}

/** The same lack named once, with every stage that has it. */
function gathered(
  stages: readonly PlannedStage[],
  lacksIn: (stage: PlannedStage) => readonly string[],
): Lack[] {
  const lacks = new Map<string, string[]>();
  for (const stage of stages) {
    for (const what of lacksIn(stage)) lacks.set(what, [...(lacks.get(what) ?? []), stage.name]);
  }
  return [...lacks].map(([what, names]) => ({ what, stages: names }));
}

function totalsOf(stages: readonly PlannedStage[], pipeline: ResolvedPipeline): Totals {
  const running = stages.filter(({ action }) => action !== "SKIP");
  const open = running.map(({ cost }) => cost);
  const names = new Set(running.map(({ name }) => name));
  const servers = pipeline.stages.filter(({ name }) => names.has(name)).flatMap(neededVariables);
  const sum = (values: (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  return {
    npuHours: sum(open.map(({ npuHours }) => npuHours)),
    wallHours: sum(open.map(({ wallHours }) => wallHours)),
    checkpointBytes: sum(open.map(({ checkpointBytes }) => checkpointBytes)) ?? 0,
    leftOut: {
      stages: running.flatMap(({ name, resources, cost }) =>
        resources.npus > 0 && cost.npuHours === null ? [name] : [],
      ),
      servers: [...new Set(servers)].sort(),
    },
  };
}

function warningsOf({ model }: ResolvedPipeline): string[] {
  const unpinned = model?.weights !== undefined && (model.revision ?? "main") === "main";
  const pin = `the revision of ${model?.repository ?? model?.name} is not pinned: its results are cached under the name alone`;
  return unpinned ? [pin] : [];
}

function verdictOf(stages: readonly PlannedStage[]): Plan["verdict"] {
  if (stages.some(({ action }) => action === "BLOCKED")) return "blocked";
  if (stages.every(({ action }) => action === "SKIP")) return "nothing to do";
  return stages.some(({ assumed }) => assumed.length > 0) ? "assumed" : "ready";
}
