import { availableParallelism } from "node:os";
import { join } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import { dataFolder, packageRoot, sourceRoot } from "../../core/paths.ts";
import { fileUri, isAttemptId } from "../../core/places.ts";
import type { LaunchSpec } from "../api/contract.ts";
import type { Launch } from "../engine.ts";

/** Of the control plane, none of a worker's business. Everything else of the agent's environment is handed on. */
const withheld = ["LEGALONE_DATABASE_URL", "LEGALONE_REDIS_URL", "LEGALONE_SERVE_URL", "LEGALONE_TOKEN"];

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
  return {
    python: process.env.LEGALONE_PYTHON ?? join(packageRoot, ".venv", "bin", "python"),
    root: sourceRoot(),
  };
}

/**
 * The environment of worker processes. Keys of teachers and judges reach a worker only this way: a job names the
 * variable, the agent's environment holds it. Threads share the cores among `slots` workers; their number is part
 * of what makes a CPU run repeat bit by bit, so it is set here and not left to libraries.
 */
export function workerEnvironment(home: string, slots: number): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of withheld) delete env[name];
  const threads = String(Math.max(1, Math.floor(availableParallelism() / slots)));
  return {
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    ...env,
    LEGALONE_HOME: home,
    LEGALONE_DATA: dataFolder(),
    PYTHONPATH: sourceRoot(),
    PYTHONUNBUFFERED: "1",
  };
}

/**
 * Turns what serve sends into what an engine runs: absolute folders, command lines.
 * @throws E_BUG when a name could lead out of its folder
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
  const main = [programs.python, "-m", `stages.${kind.replaceAll("-", "_")}.run`, "--job", file];
  const launch: Launch = { attempt, epoch: spec.epoch, folder, job, main, env: spec.env };
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

function checked(what: string, name: string, form: RegExp): string {
  if (form.test(name)) return name;
  throw new LegaloneError("E_BUG", `serve sent the ${what} ${JSON.stringify(name)}, expected ${form}`);
}
