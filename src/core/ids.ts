import { randomInt } from "node:crypto";

const alphabet = "abcdefghjkmnpqrstvwxyz23456789";

/** A new run id: `r` and nine characters that cannot be misread. */
export function newRunId(): string {
  let id = "r";
  for (let i = 0; i < 9; i++) id += alphabet[randomInt(alphabet.length)];
  return id;
}

/** `<runId>-<name>-g<generation>` */
export function stageId(runId: string, name: string, generation: number): string {
  return `${runId}-${name}-g${generation}`;
}

/** `<stageId>-s<shard>` */
export function shardId(stage: string, index: number): string {
  return `${stage}-s${index}`;
}

/** `<stageId>-s<shard>-e<epoch>` */
export function attemptId(shard: string, epoch: number): string {
  return `${shard}-e${epoch}`;
}

/** The run of a stage, by its id. */
export function runOfStage(stage: string): string {
  return stage.slice(0, Math.max(0, stage.indexOf("-")));
}
