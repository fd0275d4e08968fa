import { readdirSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { inFolder, isNoWay } from "../../core/own-folder.ts";
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

/** What a job says of that; undefined for one that cannot be read or says it in no sound way: then nothing goes. */
export function keepingOf(job: object | undefined): Keeping | undefined {
  if (job === undefined) return undefined;
  const { checkpoint } = job as { checkpoint?: { keep?: unknown; keepEvery?: unknown } | null };
  const { keep = defaultKeep, keepEvery = null } = checkpoint ?? {};
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
  return isCount(keep) && (keepEvery === null || isCount(keepEvery)) ? { keep, keepEvery } : undefined;
}

/**
 * Who may remove a checkpoint of an attempt: whoever first makes the link claims/step-<n>, which names its maker. The agent
 * makes it before the records can name the checkpoint, and so the worker cannot remove one that they do, however long
 * nobody hears of those after it.
 */
export class Claims {
  readonly #home: string;
  readonly #attempt: string;

  /** @param folder <home>/attempts/<attempt> */
  constructor(folder: string) {
    this.#home = dirname(dirname(folder));
    this.#attempt = basename(folder);
  }

  /**
   * True when the checkpoint folder `path` is the agent's now: its worker has not begun to remove it.
   * @throws ENOTDIR where something else than a folder of claims stands
   */
  take(path: string): boolean {
    return this.#in((claims) => {
      const link = join(claims, basename(path));
      try {
        symlinkSync(agent, link);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        return makerOf(link) === agent;
      }
    }, true);
  }

  /** Gives a checkpoint back to the worker: the records do not name it. */
  release(path: string): void {
    try {
      this.#in((claims) => unlinkSync(join(claims, basename(path))));
    } catch (error) {
      // There is none, or what stands there is no claim of ours.
      if (!isNoWay(error) && !["EISDIR", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
    }
  }

  /** Removes what the records no longer name, now that `newest` is committed and all that was announced before it. */
  async dropStale(
    newest: number,
    { keep, keepEvery, starts = [] }: Keeping & { starts?: readonly number[] },
    { warn }: Removal,
  ): Promise<void> {
    const steps = this.#steps().filter((step) => step <= newest);
    for (const step of staleSteps(steps, keep, keepEvery)) {
      // A fork begins with it: it goes after a later one, when the fork has ended.
      if (starts.includes(step)) continue;
      await removeFrom(this.#home, { attempt: this.#attempt, step }, { warn });
      // What the agent may not remove (a worker of another user made it) its worker does, after its next checkpoint.
      this.release(`step-${step}`);
    }
  }

  #steps(): number[] {
    try {
      return this.#in((claims) =>
        readdirSync(claims)
          .filter((name) => /^step-\d{1,16}$/.test(name) && makerOf(join(claims, name)) === agent)
          .map((name) => Number(name.slice("step-".length))),
      );
    } catch (error) {
      if (isNoWay(error)) return [];
      throw error;
    }
  }

  #in<T>(work: (claims: string) => T, make = false): T {
    return inFolder(this.#home, ["attempts", this.#attempt, "claims"], work, { make });
  }
}

/** Undefined when the link was given up in this moment, and where it is no link. */
function makerOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (!["ENOENT", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined;
  }
}
