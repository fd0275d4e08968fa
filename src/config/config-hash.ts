import { canonicalJson, sha256 } from "../core/hash.ts";
import type { ResolvedPipeline } from "./types.ts";

/** What tells whether two runs have the same configuration. Where the file lies changes nothing about a run. */
export function configHash(pipeline: ResolvedPipeline): string {
  return sha256(canonicalJson({ ...pipeline, file: null }));
}
