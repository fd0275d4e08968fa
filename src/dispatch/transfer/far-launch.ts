import { pathToFileURL } from "node:url";
import { artifactUri } from "../../core/places.ts";
import type { LaunchSpec } from "../api/contract.ts";

interface Named {
  uri?: string;
  sha256?: string | null;
  stage?: string | null;
}

interface Resume extends Named {
  older?: Named[];
}

/**
 * A launch for an agent that has another folder than serve: committed artifacts are named by their hash, models from
 * outside (below `models`, serve's folder of models) by their name, `models://…`. Pure.
 */
export function farLaunch(spec: LaunchSpec, models: string): LaunchSpec {
  const { inputs, resume } = spec.job as { inputs?: Named[]; resume?: Resume | null };
  const job = { ...spec.job };
  if (inputs !== undefined) job.inputs = inputs.map((input) => farInput(input, models));
  // Older ones are named too; the agent fetches one only when the newest cannot be had.
  if (resume) job.resume = { ...stored(resume), ...(resume.older && { older: resume.older.map(stored) }) };
  return { ...spec, job };
}

function stored<T extends Named>(named: T): T {
  return named.sha256 ? { ...named, uri: artifactUri(named.sha256) } : named;
}

function farInput(input: Named, models: string): Named {
  if (input.stage !== null) return stored(input);
  const below = `${pathToFileURL(models).href}/`;
  if (input.uri?.startsWith(below)) return { ...input, uri: `models://${input.uri.slice(below.length)}` };
  return input;
}
