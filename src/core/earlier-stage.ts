import type { HashedInput, StageIdentity } from "./cache-key.ts";

/** A stage of an earlier run of the same pipeline that has outputs, as far as its cache key goes. */
export interface EarlierStage extends StageIdentity {
  run: string;
  seed: number;
  codeHash: string;
  /** Content of its bound inputs, in bound order; `stage` is null for one from outside. */
  inputs: readonly (HashedInput & { stage: string | null })[];
  /** Sha256 of the checkpoint a fork began with. */
  startFrom: string | null;
  /** Its outputs were removed from disk. */
  outputsGone: boolean;
}
