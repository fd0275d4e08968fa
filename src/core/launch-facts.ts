import type { ArtifactRow, InputArtifact } from "./rows.ts";

/** The rows a launch is made from: records read them, the workflow makes the job. */
export interface LaunchFacts {
  attempt: { id: string; epoch: number; engine: string; nodeId: string | null };
  shard: { index: number };
  stage: {
    id: string;
    name: string;
    kind: string;
    spec: unknown;
    startFrom: string | null;
    startedAt: Date | null;
  };
  run: { id: string; config: unknown };
  /** Number of shards of the stage. */
  shards: number;
  inputs: InputArtifact[];
  /** The checkpoint it goes on from. */
  resume: ArtifactRow | null;
  /** Committed checkpoints before it, newest first. */
  older: ArtifactRow[];
  /** NPUs it holds. */
  devices: number[];
}
