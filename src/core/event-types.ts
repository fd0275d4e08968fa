/**
 * Types of the events that the control plane writes into the log, in the order a run meets them. Lines of workers are told
 * as `worker.<type>`, by the types of stages/_worker/protocol.schema.json.
 */
export const eventTypes = [
  "run.submitted",
  "run.resumed",
  "run.priority",
  "run.labelled",
  "run.quarantined",
  "run.released",
  "stage.waits",
  "stage.ready",
  "attempt.opened",
  "attempt.running",
  "attempt.unreachable",
  "attempt.reachable",
  "attempt.held",
  "attempt.stop_requested",
  "attempt.exited",
  "attempt.ended",
  "shards.failed",
  "shards.cancelled",
  "stage.stop_requested",
  "stage.ended",
  "gate.passed",
  "gate.failed",
  "artifact.back",
  "artifact.gone",
  "artifacts.removed",
  "artifacts.kept",
] as const;

export type EventType = (typeof eventTypes)[number] | `worker.${string}`;
