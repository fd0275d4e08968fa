import type { Launch, Observation } from "../engine.ts";
import { ProcessEngine, type ProcessEngineOptions } from "../process/process-engine.ts";

const name = "prepare";

/**
 * What runs on the agent's machine before a container: a process of the process engine in <attempt>/prepare/,
 * whose working folder is the attempt's.
 */
export class Preparation {
  private readonly engine: ProcessEngine;

  constructor(options: Pick<ProcessEngineOptions, "attempts" | "node" | "env">) {
    this.engine = new ProcessEngine(options);
  }

  /** Starts it when it has not been; without any it has ended well. */
  async observe(launch: Launch): Promise<Observation> {
    if (launch.prepare === undefined) return { state: "exited", exit: { code: 0, signal: null, at: "" } };
    const main = ["/bin/sh", "-c", 'cd .. && exec "$@"', name, ...launch.prepare];
    const { epoch, env, job, variables = [] } = launch;
    const attempt = `${launch.attempt}/${name}`;
    await this.engine.start({ attempt, epoch, folder: launch.folder, job, main, env, variables });
    return this.engine.observe(attempt);
  }

  stop(attempt: string, graceSeconds: number): Promise<void> {
    return this.engine.stop(`${attempt}/${name}`, graceSeconds);
  }

  /** The attempt has ended: nothing of it is remembered. */
  forget(attempt: string): Promise<void> {
    return this.engine.forget(`${attempt}/${name}`);
  }
}
