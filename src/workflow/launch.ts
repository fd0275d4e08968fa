import type { ResolvedStage } from "../config/types.ts";
import type { LaunchFacts } from "../core/launch-facts.ts";
import type { ArtifactRow } from "../core/rows.ts";
import type { Times } from "../core/times.ts";
import { pipelineOf, specOf } from "./types.ts";

/** What an agent needs to start an attempt. Paths of the job are relative to the workspace of its node. */
export interface Launch {
  attempt: string;
  epoch: number;
  engine: string;
  node: string;
  prepare?: { entry: string };
  kind: string;
  job: Record<string, unknown>;
  env: Record<string, string>;
  variables?: string[];
  graceSeconds: number;
  image?: string;
}

/** Makes the launch of an attempt. Pure: the same rows give the same job, so starting it twice is starting it once. */
export function launchOf(facts: LaunchFacts, times: Times, keep: number): Launch {
  const { attempt, stage } = facts;
  const spec = specOf(stage);
  const { cluster } = pipelineOf(facts.run);
  const visible: Record<string, string> =
    facts.devices.length > 0 ? { ASCEND_RT_VISIBLE_DEVICES: facts.devices.join(",") } : {};
  return {
    attempt: attempt.id,
    epoch: attempt.epoch,
    engine: attempt.engine,
    node: attempt.nodeId ?? "",
    ...(spec.prepare ? { prepare: { entry: spec.prepare.entry } } : {}),
    kind: stage.kind,
    job: jobOf(facts, spec, times, keep),
    env: { ...cluster.env, ...visible },
    ...(cluster.variables === undefined ? {} : { variables: cluster.variables }),
    graceSeconds: times.stop / 1000,
    ...(cluster.image === null ? {} : { image: cluster.image }),
  };
}

function jobOf(facts: LaunchFacts, spec: ResolvedStage, times: Times, keep: number): Record<string, unknown> {
  const { attempt, shard, stage, run } = facts;
  const { seed, model } = pipelineOf(run);
  const folder = `attempts/${attempt.id}`;
  const deadline =
    spec.timeoutSeconds !== null && stage.startedAt
      ? new Date(stage.startedAt.getTime() + spec.timeoutSeconds * 1000).toISOString()
      : null;
  return {
    protocol: 1,
    run: run.id,
    stage: stage.name,
    stageId: stage.id,
    kind: stage.kind,
    shard: shard.index,
    shards: facts.shards,
    attempt: attempt.id,
    epoch: attempt.epoch,
    inputs: jobInputs(facts, spec),
    with: spec.with,
    model,
    resources: spec.resources,
    seed,
    folder,
    output: `${folder}/output`,
    events: `${folder}/events.jsonl`,
    checkpoint: checkpointRule(spec, keep),
    resume: resumeOf(facts),
    deadline,
    heartbeatSeconds: times.heartbeat / 1000,
    ...(spec.standIns === undefined ? {} : { standIns: spec.standIns }),
  };
}

function checkpointRule({ checkpoint }: ResolvedStage, keep: number): Record<string, number | undefined> {
  return { every: checkpoint?.every, keep: checkpoint?.keep ?? keep, keepEvery: checkpoint?.keep_every };
}

/** A checkpoint that the stage began with belongs to another run: what has changed since is meant. */
function resumeOf({ resume, older, stage }: LaunchFacts): object | null {
  if (!resume) return null;
  const point = ({ uri, step, sha256 }: ArtifactRow) => ({ uri, step, sha256 });
  return { ...point(resume), fork: resume.id === stage.startFrom, older: older.map(point) };
}

/** Inputs in bound order; one bound to a split stage gives one entry a shard. */
function jobInputs({ inputs }: LaunchFacts, spec: ResolvedStage): object[] {
  return spec.inputs.flatMap((input): object[] => {
    if (input.stage === null) {
      return [{ kind: input.kind, stage: null, uri: input.uri, sha256: input.sha256 }];
    }
    return inputs
      .filter((bound) => bound.kind === input.kind && bound.stage === input.stage)
      .map(({ kind, stage, artifact: { uri, sha256, meta } }) => ({ kind, stage, uri, sha256, meta }));
  });
}
