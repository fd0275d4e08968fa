import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterConfig, ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import { dataFolder, localPython, sourceRoot, workspace } from "../core/paths.ts";
import { redactValues } from "../core/redact.ts";
import { baseEnvironment, jobVariables, variableHider, variableValues } from "../core/variables.ts";
import { stageFolder } from "./code-hash.ts";
import type { Existing } from "./types.ts";

/** What stages/_early says; its Problem. */
interface Finding {
  stage: string;
  message: string;
  expected?: string;
  hint?: string;
  about: "input" | "server" | "look";
  address?: string;
}

type Seen = Pick<Existing, "early" | "warnings">;

/** Python is given up on after so long; its own looks end before. */
const patienceMs = 20_000;

/**
 * The early look (stages/_early) at what the stages named `open` read from outside. What would end a stage is a refusal;
 * a server that does not answer is one only where the engine runs on this machine: from here nobody sees what nodes reach,
 * nor what is started until then. A look that breaks is a warning, never a refusal.
 * @param missing addresses at which nothing is; they are told already
 * @param slow hears what is looked at when a second has gone by
 */
export async function lookEarly(
  { stages, cluster, model }: ResolvedPipeline,
  open: ReadonlySet<string>,
  missing: ReadonlySet<string>,
  slow: (text: string) => void = () => {},
): Promise<Seen> {
  const looked = stages
    .filter(({ name }) => open.has(name))
    .map((stage) => ({ ...stage, outside: model && modelFolder(stage, missing) }))
    .filter((stage) => stage.outside !== null || hasLook(stage));
  if (looked.length === 0) return { early: {}, warnings: [] };
  const late = setTimeout(() => slow(`looking at ${whatOf(looked)} …`), 1000);
  const variables = jobVariables(
    looked.map((stage) => stage.with),
    cluster.variables,
  );
  try {
    const findings = await findingsOf(
      looked.map(({ name, kind, with: options, outside }) => ({
        ...{ name, kind, with: options },
        ...(outside === null ? {} : { model: { folder: outside, config: model } }),
      })),
      variables,
    );
    return sorted(
      findings.filter(({ address }) => address === undefined || !missing.has(address)),
      cluster,
      hider(variables),
    );
  } catch (error) {
    const why = hider(variables)(error instanceof Error ? error.message : String(error));
    return { early: {}, warnings: [`could not look at ${whatOf(looked)}: ${why}`] };
  } finally {
    clearTimeout(late);
  }
}

function hasLook(stage: ResolvedStage): boolean {
  return existsSync(join(stageFolder(stage.kind), "early.py"));
}

/** Folder of a model from outside that a stage reads and that is there. */
function modelFolder({ inputs }: ResolvedStage, missing: ReadonlySet<string>): string | null {
  for (const input of inputs)
    if (input.stage === null && !missing.has(input.uri)) return fileURLToPath(input.uri);
  return null;
}

/** `the first rows of 4 sources`, or what else the stages read. */
function whatOf(stages: readonly ResolvedStage[]): string {
  const sources = stages.flatMap((stage) => (stage.with.corpus as { sources?: unknown[] })?.sources ?? []);
  if (sources.length > 0)
    return `the first rows of ${sources.length} source${sources.length === 1 ? "" : "s"}`;
  return `what ${stages.map(({ name }) => name).join(", ")} ${stages.length === 1 ? "reads" : "read"}`;
}

/** Values of variables stand in no message, whoever wrote it. */
function hider(variables: readonly string[]): (text: string) => string {
  const hide = variableHider(variables);
  const values = variables.flatMap((name) => process.env[name] ?? []);
  return (text) => redactValues(hide(text), values);
}

function sorted(
  findings: readonly Finding[],
  { engine }: ClusterConfig,
  hide: (text: string) => string,
): Seen {
  const early: Record<string, string[]> = {};
  const warnings = new Set<string>();
  for (const { stage, message, expected, hint, about } of findings) {
    const parts = [message, expected && `expected ${expected}`, hint].filter((part) => part);
    const sentence = hide(parts.join("; "));
    if (about === "input" || (about === "server" && engine === "process"))
      early[stage] = [...(early[stage] ?? []), sentence];
    else warnings.add(sentence);
  }
  return { early, warnings: [...warnings] };
}

/** @throws Error with why there are none */
async function findingsOf(stages: readonly object[], variables: readonly string[]): Promise<Finding[]> {
  const python = localPython();
  const child = spawn(python, ["-m", "stages._early"], {
    cwd: sourceRoot(),
    env: {
      ...baseEnvironment(process.env),
      ...variableValues(variables),
      LEGALONE_HOME: workspace(),
      LEGALONE_DATA: dataFolder(),
      PYTHONPATH: sourceRoot(),
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let [told, said] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
  });
  // One that cannot be started, or ends at once, closes its input; its end says why.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify({ stages }));
  let patient = true;
  const timer = setTimeout(() => {
    patient = false;
    child.kill("SIGKILL");
  }, patienceMs);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    if (!patient) throw new Error(`nothing came within ${patienceMs / 1000} s`);
    if (code !== 0) throw new Error(said.trim().split("\n").at(-1) || `${python} ended with ${code}`);
    return JSON.parse(told) as Finding[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new Error(`there is no ${python}; npm run setup makes it, LEGALONE_PYTHON names another`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
