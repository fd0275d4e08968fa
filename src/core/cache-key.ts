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

/**
 * Content cache key of a stage, in hex: equal keys mean that the outputs can be taken over.
 * Counts kind, version, code (with the Python lock), options, hashes of the inputs in bound order, and the seed;
 * never addresses, paths, devices or how many run at once.
 * `codeHash` comes from plan/code-hash.ts; `inputs` holds every artifact of every bound input, shards in order.
 */
export function cacheKey(
  stage: StageIdentity,
  seed: number,
  codeHash: string,
  inputs: readonly HashedInput[],
): string {
  return sha256(
    canonicalJson({
      kind: stage.kind,
      version: stage.version,
      identity: stage.identity,
      seed,
      codeHash,
      inputs: inputs.map(({ kind, sha256 }) => ({ kind, sha256 })),
    }),
  );
}
