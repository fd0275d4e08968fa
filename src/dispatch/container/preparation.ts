import type { AttemptFolder } from "../attempt-folder.ts";
import type { Launch, Observation } from "../engine.ts";
import { ProcessEngine } from "../process/process-engine.ts";

const name = "prepare";

/**
 * What runs on the agent's machine before a container: a process of the process engine in <attempt>/prepare/,
 * whose working folder is the attempt's.
 */
export class Preparation {
  private readonly engine: ProcessEngine;

  constructor(folder: AttemptFolder, node: string, env: NodeJS.ProcessEnv) {
    this.engine = new ProcessEngine({ attempts: folder.path, node, env });
  }

  /** Starts it when it has not been; without any it has ended well. */
  async observe(launch: Launch): Promise<Observation> {
    if (launch.prepare === undefined) return { state: "exited", exit: { code: 0, signal: null, at: "" } };
    const main = ["/bin/sh", "-c", 'cd .. && exec "$@"', name, ...launch.prepare];
    const { epoch, env, job, variables = [] } = launch;
    await this.engine.start({ attempt: name, epoch, folder: launch.folder, job, main, env, variables });
    return this.engine.observe(name);
  }

  stop(graceSeconds: number): Promise<void> {
    return this.engine.stop(name, graceSeconds);
  }
}
