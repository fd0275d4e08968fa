import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AttemptFolder, openAttempts, refuseOthers } from "../attempt-folder.ts";
import type { Engine, Launch, Observation } from "../engine.ts";

/**
 * Starts nothing: every attempt ends well at once, having counted itself, and makes no outputs. A stand-in for workers, to
 * try and to measure what the control plane does around them.
 */
export class CountEngine implements Engine {
  readonly name = "count";
  private readonly attempts: string;
  private readonly node: string;

  /** `attempts` is the folder of all attempts, which other nodes may share with `node`. */
  constructor(attempts: string, node: string) {
    this.attempts = attempts;
    this.node = node;
  }

  async start({ attempt, epoch, job }: Launch): Promise<void> {
    const folder = this.folder(attempt);
    refuseOthers(folder, this.node);
    if (folder.exit() !== undefined) return;
    folder.make();
    folder.write("job.json", job);
    folder.claimFor(this.name, this.node);
    const at = new Date().toISOString();
    const summary = { text: "counted, nothing ran" };
    const lines = [
      { type: "started", at, attempt, epoch, pid: process.pid, program: "count (stand-in)" },
      { type: "result", at, status: "succeeded", reason: "completed", metrics: { shards: 1 }, summary },
    ];
    // A start that was cut off is begun anew: its lines were not complete, or there would be an exit.
    folder.enter((here) => {
      const events = join(here, "events.jsonl");
      rmSync(events, { force: true });
      writeFileSync(events, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { flag: "wx" });
    });
    folder.write("exit.json", { code: 0, signal: null, at });
  }

  async observe(attempt: string): Promise<Observation> {
    const exit = this.folder(attempt).exit();
    return exit === undefined ? { state: "lost" } : { state: "exited", exit };
  }

  /** What has ended when it begins cannot be stopped. */
  async stop(): Promise<void> {}

  async adopt(): Promise<string[]> {
    return openAttempts(this.attempts, this.name, this.node);
  }

  async forget(attempt: string): Promise<void> {
    this.folder(attempt).markReported();
  }

  private folder(attempt: string): AttemptFolder {
    return new AttemptFolder(this.attempts, attempt);
  }
}
