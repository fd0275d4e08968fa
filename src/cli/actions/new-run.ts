import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { configHash } from "../../config/config-hash.ts";
import type { ResolvedPipeline } from "../../config/types.ts";
import { uniqueTags } from "../../core/labels.ts";
import { sourceRoot } from "../../core/paths.ts";
import { stagesFrom } from "../../core/scope.ts";
import { codeHash } from "../../plan/code-hash.ts";
import { standInVariables } from "../../plan/variables.ts";
import type { NewRun } from "../../records/runs.ts";
import { userName } from "./user-name.ts";

export interface RunSettings {
  idempotencyKey?: string;
  until?: string;
  from?: string;
  priority?: number;
  name?: string;
  tag?: string[];
  note?: string;
  /** Of a fork: the old run, and the checkpoint that one stage begins with. */
  fork?: { run: string; stage: string; checkpoint: string };
}

/**
 * The rows of a run. The whole resolved pipeline is kept: later decisions never read the file again.
 * @param file as it was named on the command line
 * @param written its text, with `--set` laid over it
 */
export function newRun(
  pipeline: ResolvedPipeline,
  file: string,
  written: string,
  { idempotencyKey, until, from, priority, name, tag = [], note, fork }: RunSettings,
): NewRun {
  const fresh = stagesFrom(pipeline.stages, from);
  const commit = commitOf(sourceRoot());
  return {
    pipeline: pipeline.name,
    file,
    config: pipeline,
    written,
    configHash: configHash(pipeline),
    createdBy: userName(),
    ...(commit === null ? {} : { commit }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(until === undefined ? {} : { until }),
    ...(from === undefined ? {} : { from }),
    ...(priority === undefined ? {} : { priority }),
    ...(name === undefined ? {} : { name }),
    ...(tag.length === 0 ? {} : { tags: uniqueTags(tag) }),
    ...(note === undefined ? {} : { note }),
    ...(fork === undefined ? {} : { forkedFrom: fork.run }),
    stages: pipeline.stages.map((stage) => ({
      name: stage.name,
      kind: stage.kind,
      position: stage.position,
      shards: stage.shards,
      codeHash: codeHash(stage),
      needs: stage.needs,
      spec: { ...stage, standIns: standInVariables(stage.with) },
      fresh: fresh.has(stage.name),
      startFrom: fork?.stage === stage.name ? fork.checkpoint : null,
    })),
  };
}

/** The commit a folder is checked out at, with `-dirty` where files differ from it; null where it is no checkout of its own. */
export function commitOf(folder: string): string | null {
  // A folder inside of another checkout would be told that one's commit.
  if (!existsSync(join(folder, ".git"))) return null;
  try {
    const words = ["-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    return execFileSync("git", words, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 5000,
    }).trim();
  } catch {
    return null; // without git, or in a checkout that git does not trust, a run has no commit to tell
  }
}
