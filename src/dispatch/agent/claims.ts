import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Removal, removeFrom } from "../../core/removal.ts";
import { defaultKeep, staleSteps } from "../../core/stale-steps.ts";
import type { EventLine } from "../api/contract.ts";

const agent = "agent";

/** Which checkpoints of an attempt stay: as its job says. */
export interface Keeping {
  keep: number;
  keepEvery: number | null;
}

export type CheckpointLine = EventLine & { path: string; step: number };

/** From the job in an attempt's folder. */
export function keepingOf(folder: string): Keeping {
  const { checkpoint } = JSON.parse(readFileSync(join(folder, "job.json"), "utf8")) as {
    checkpoint?: { keep?: number; keepEvery?: number | null };
  };
  return { keep: checkpoint?.keep ?? defaultKeep, keepEvery: checkpoint?.keepEvery ?? null };
}

/**
 * Who may remove a checkpoint of an attempt: whoever first makes the link claims/step-<n>, which names its maker. The agent
 * makes it before the records can name the checkpoint, and so the worker cannot remove one that they do, however long
 * nobody hears of those after it.
 */
export class Claims {
  readonly #folder: string;
  readonly #claims: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#claims = join(folder, "claims");
  }

  /** True when the checkpoint folder `path` is the agent's now: its worker has not begun to remove it. */
  take(path: string): boolean {
    const link = this.#link(path);
    mkdirSync(this.#claims, { recursive: true });
    try {
      symlinkSync(agent, link);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      return makerOf(link) === agent;
    }
  }

  /** Gives a checkpoint back to the worker: the records do not name it. */
  release(path: string): void {
    rmSync(this.#link(path), { force: true });
  }

  /** Removes what the records no longer name, now that `newest` is committed and all that was announced before it. */
  async dropStale(
    newest: number,
    { keep, keepEvery, starts = [] }: Keeping & { starts?: readonly number[] },
    { warn }: Removal,
  ): Promise<void> {
    const [home, attempt] = [dirname(dirname(this.#folder)), basename(this.#folder)];
    const steps = this.#steps().filter((step) => step <= newest);
    for (const step of staleSteps(steps, keep, keepEvery)) {
      // A fork begins with it: it goes after a later one, when the fork has ended.
      if (starts.includes(step)) continue;
      await removeFrom(home, { attempt, step }, { warn });
      // What the agent may not remove (a worker of another user made it) its worker does, after its next checkpoint.
      this.release(`step-${step}`);
    }
  }

  #steps(): number[] {
    if (!existsSync(this.#claims)) return [];
    return readdirSync(this.#claims)
      .filter((name) => /^step-\d+$/.test(name) && makerOf(join(this.#claims, name)) === agent)
      .map((name) => Number(name.slice("step-".length)));
  }

  #link(path: string): string {
    return join(this.#claims, basename(path));
  }
}

/** Undefined when the link was given up in this moment. */
function makerOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
}
