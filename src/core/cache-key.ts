import { canonicalJson, sha256 } from "./hash.ts";

/** An input as the cache key sees it: content, not place. */
export interface HashedInput {
  kind: string;
  sha256: string;
}

/** What of a stage decides its output, beside code, seed and inputs. */
export interface StageIdentity {
  kind: string;
  version: number;
  /** Normalised options; see `ResolvedStage.identity`. */
  identity: unknown;
}

/** What a stage is made from, beside what it is. */
export interface StageSources {
  seed: number;
  codeHash: string;
  /** Every artifact of every bound input, in bound order, shards in order. */
  inputs: readonly HashedInput[];
  /** Of a fork: sha256 of the checkpoint of another run that it begins with. */
  startFrom?: string | undefined;
}

/**
 * Content cache key of a stage, in hex: equal keys mean that the outputs can be taken over.
 * Counts kind, version, code (with the Python lock), options, hashes of the inputs in bound order, and the seed;
 * never addresses, paths, devices or how many run at once.
 * A fork's start counts by content: two forks from the same checkpoint are one, a fork is never what began at step 0.
 */
export function cacheKey(stage: StageIdentity, { seed, codeHash, inputs, startFrom }: StageSources): string {
  return sha256(
    canonicalJson({
      kind: stage.kind,
      version: stage.version,
      identity: stage.identity,
      seed,
      codeHash,
      inputs: inputs.map(({ kind, sha256 }) => ({ kind, sha256 })),
      // Left out of the JSON where undefined, so that the keys of other stages stay what they were.
      startFrom,
    }),
  );
}
