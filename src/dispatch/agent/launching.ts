import { availableParallelism } from "node:os";
import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import { dataFolder, localPython, packageRoot, sourceRoot } from "../../core/paths.ts";
import { fileUri, isAttemptId, mayBeInput } from "../../core/places.ts";
import { baseEnvironment, jobVariables, mayBeSet } from "../../core/variables.ts";
import type { LaunchSpec } from "../api/contract.ts";
import { type Launch, pathsOf } from "../engine.ts";

/** Where the programs of workers are: here for processes, in the image for containers. */
export interface Programs {
  python: string;
  /** Folder above stages/. */
  root: string;
}

/** In the worker images (docker/worker-*.Dockerfile). */
export const imagePrograms: Programs = { python: "python", root: "/opt/legalone" };

/** The Python of this checkout, or LEGALONE_PYTHON. */
export function localPrograms(): Programs {
  return { python: localPython(), root: sourceRoot() };
}

/**
 * The environment of worker processes, but for the variables of their jobs: an engine adds these when it starts one, so
 * that no value is ever written down. Threads share the cores among `slots` workers; their number is part
 * of what makes a CPU run repeat bit by bit, so it is set here and not left to libraries.
 */
export function workerEnvironment(home: string, slots: number): NodeJS.ProcessEnv {
  const threads = String(Math.max(1, Math.floor(availableParallelism() / slots)));
  return {
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    ...baseEnvironment(process.env),
    LEGALONE_HOME: home,
    LEGALONE_DATA: dataFolder(),
    PYTHONPATH: sourceRoot(),
    PYTHONUNBUFFERED: "1",
  };
}

/**
 * Turns what serve sends into what an engine runs: absolute folders, command lines. Serve is believed in nothing that
 * would open this machine: names, variables and inputs are checked here once more.
 * @throws E_BUG when a name could lead out of its folder, E_NODE for what this node does not give to workers
 */
export function launchOf(spec: LaunchSpec, home: string, programs: Programs): Launch {
  const { attempt } = spec;
  if (!isAttemptId(attempt))
    throw new LegaloneError(
      "E_BUG",
      `serve sent the attempt ${JSON.stringify(attempt)}, expected a name of a folder`,
    );
  const kind = checked("stage kind", spec.kind, /^[a-z][a-z0-9-]*$/);
  const folder = join(home, "attempts", attempt);
  const file = join(folder, "job.json");
  const job = {
    ...placed(spec.job, home),
    folder,
    output: join(folder, "output"),
    events: join(folder, "events.jsonl"),
  };
  refuseInputs(job, home);
  for (const name of Object.keys(spec.env))
    if (!mayBeSet(name)) throw new LegaloneError("E_NODE", `${name} is not set for workers of this node`);
  const main = [programs.python, "-m", `stages.${kind.replaceAll("-", "_")}.run`, "--job", file];
  const launch: Launch = { attempt, epoch: spec.epoch, folder, job, main, env: spec.env };
  launch.variables = jobVariables(spec.job, spec.variables);
  if (spec.image !== undefined) launch.image = spec.image;
  if (spec.prepare !== undefined) {
    const entry = checked("prepare entry", spec.prepare.entry, /^[a-z][a-z0-9-]*$/);
    launch.prepare = [process.execPath, join(packageRoot, "dist", "worker", `${entry}.js`), "--job", file];
  }
  return launch;
}

/** Inputs and checkpoints at their addresses on this machine. */
function placed(job: Record<string, unknown>, home: string): Record<string, unknown> {
  const { inputs, resume } = job as { inputs?: Named[]; resume?: (Named & { older?: Named[] }) | null };
  const local = <T extends Named>(named: T): T =>
    named.uri ? { ...named, uri: fileUri(home, named.uri) } : named;
  return {
    ...job,
    ...(inputs && { inputs: inputs.map(local) }),
    ...(resume && { resume: { ...local(resume), ...(resume.older && { older: resume.older.map(local) }) } }),
  };
}

interface Named {
  uri?: string;
}

/** Inputs and checkpoints lie where such things lie on this machine. */
function refuseInputs(job: Record<string, unknown>, home: string): void {
  for (const path of pathsOf(job))
    if (!mayBeInput(path, home))
      throw new LegaloneError(
        "E_NODE",
        `an input lies at ${path}: neither a model, nor data, nor an artifact of this workspace`,
        { hint: "LEGALONE_MODELS and LEGALONE_DATA of the agent name the folders of models and data." },
      );
}

function checked(what: string, name: string, form: RegExp): string {
  if (form.test(name)) return name;
  throw new LegaloneError("E_BUG", `serve sent the ${what} ${JSON.stringify(name)}, expected ${form}`);
}
