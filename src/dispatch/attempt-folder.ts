import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Exit } from "./engine.ts";

/** Files of an attempt, <workspace>/attempts/<attempt>/. */
export class AttemptFolder {
  readonly path: string;

  constructor(attempts: string, attempt: string) {
    this.path = join(attempts, attempt);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** The job, once it is written. */
  job(): { epoch: number; events: string } | undefined {
    return this.read("job.json");
  }

  /** The shim: its pid, which also names its session and process group, and its start time. */
  shim(): { pid: number; start: string } | undefined {
    return this.read("pid.json");
  }

  /** How it ended, once the shim has said so. */
  exit(): Exit | undefined {
    return this.read("exit.json");
  }

  /** Name of the engine that started it. */
  engine(): string | undefined {
    return this.read<{ engine: string }>("engine.json")?.engine;
  }

  /** When and how patiently it was asked to stop. */
  stop(): { at: number; graceSeconds: number } | undefined {
    return this.read("stop.json");
  }

  /** True once serve has recorded its end. */
  reported(): boolean {
    return existsSync(this.file("reported"));
  }

  write(name: string, value: unknown): void {
    const path = this.file(name);
    writeFileSync(`${path}.new`, `${JSON.stringify(value)}\n`);
    renameSync(`${path}.new`, path);
  }

  /** A file that is absent or half-written counts as not there yet. */
  read<T>(name: string): T | undefined {
    try {
      return JSON.parse(readFileSync(this.file(name), "utf8")) as T;
    } catch {
      return undefined;
    }
  }
}

/** Names of the attempts below `attempts` that an engine started and whose end is not recorded yet. */
export function openAttempts(attempts: string, engine: string): string[] {
  if (!existsSync(attempts)) return [];
  return readdirSync(attempts).filter((name) => {
    const folder = new AttemptFolder(attempts, name);
    return folder.engine() === engine && !folder.reported();
  });
}
