import type { JsonObject, ResolvedStage } from "../config/types.ts";

interface Endpoint {
  base_url_env?: string;
  stand_in?: string;
}

/**
 * Names of the environment variables without which a stage cannot work: the addresses of its teacher, judge or
 * rollout server. An endpoint with a stand-in needs none; keys may always be unset.
 */
export function neededVariables({ kind, with: options }: Pick<ResolvedStage, "kind" | "with">): string[] {
  const lead = (options.lead ?? {}) as { teacher?: Endpoint; judge?: Endpoint };
  switch (kind) {
    case "lead-prompts":
    case "lead-synthesize":
    case "lead-refine":
      return addressOf(lead.teacher);
    case "lead-judge":
      return addressOf(lead.judge);
    case "synthetic": {
      const { teacher, quality } = (options.synthetic ?? {}) as {
        teacher?: Endpoint;
        quality?: { judge?: Endpoint } | null;
      };
      return [...new Set([...addressOf(teacher), ...addressOf(quality?.judge)])];
    }
    case "rl":
      return [
        ...(hasRubric(options) ? addressOf(options.judge as Endpoint | undefined) : []),
        ...(options.backend === "server" ? addressOf(options.server as Endpoint | undefined) : []),
      ];
    default:
      return [];
  }
}

function addressOf(endpoint: Endpoint | undefined): string[] {
  if (!endpoint?.base_url_env || (endpoint.stand_in ?? "none") !== "none") return [];
  return [endpoint.base_url_env];
}

/** Names of the variables in `standInsInEffect`: what the worker is held to. */
export function standInVariables(options: unknown, environment: NodeJS.ProcessEnv = process.env): string[] {
  return standInsInEffect(options, environment).map((told) => told.slice(told.lastIndexOf(" ") + 1));
}

function hasRubric({ levels }: JsonObject): boolean {
  return (
    Array.isArray(levels) &&
    levels.some((level) => (level as { reward?: { kind?: string } }).reward?.kind === "rubric")
  );
}

/**
 * Addresses in the options for which a stand-in answers, since their environment variable is not set: part of what made
 * a stage's output, so that a real teacher never meets the cached answers of a stand-in.
 */
export function standInsInEffect(options: unknown, environment: NodeJS.ProcessEnv = process.env): string[] {
  if (options === null || typeof options !== "object") return [];
  const { base_url_env: variable, stand_in: standIn } = options as Endpoint;
  const own =
    variable && standIn && standIn !== "none" && !environment[variable] ? [`${standIn} for ${variable}`] : [];
  return [
    ...new Set([...own, ...Object.values(options).flatMap((inner) => standInsInEffect(inner, environment))]),
  ].sort();
}
