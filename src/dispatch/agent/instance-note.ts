import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inFolder } from "../../core/own-folder.ts";
import { isSameProcess, machine, startTime } from "../../core/start-time.ts";
import { replaceWhole } from "../../core/whole-file.ts";

/** How many agents before this one are remembered: serve knows one of them, however many starts were cut off since. */
const remembered = 16;

/** One process of an agent: nothing else ever has its id. */
interface Instance {
  instance: string;
  machine: string;
  pid: number;
  start: string;
}

/** An agent that ran on this folder before; `gone` where this machine can tell that its process has ended. */
export interface Predecessor {
  instance: string;
  gone: boolean;
}

/**
 * The agents of a node in a folder, <home>/agents/<node>.json. Serve gives the name of a node to one instance at a time;
 * the note shows that the one before has ended, so that its successor need not wait for a silence. Only a process of the
 * same machine can show that: to another one, also on the same folder, the pid in the note says nothing.
 */
export class InstanceNote {
  readonly instance: string;
  readonly #path: string;
  readonly #before: readonly Instance[];

  private constructor(path: string, own: Instance, before: readonly Instance[]) {
    this.instance = own.instance;
    this.#path = path;
    this.#before = before;
  }

  /** Enters this process as the newest; callers hold the folder's lock. */
  static take(home: string, node: string): InstanceNote {
    const path = join(home, "agents", `${node}.json`);
    const before = read(path).slice(1 - remembered);
    const { pid } = process;
    const own = { instance: randomUUID(), machine: machine(), pid, start: startTime(pid) ?? "gone" };
    const text = JSON.stringify({ instances: [...before, own] });
    inFolder(home, ["agents"], (folder) => replaceWhole(join(folder, `${node}.json`), text, 0o600), {
      make: true,
    });
    return new InstanceNote(path, own, before);
  }

  /** All that ran on this folder before, oldest first. */
  predecessors(): Predecessor[] {
    const gone = ({ machine: where, pid, start }: Instance) =>
      where === machine() && !isSameProcess(pid, start);
    return this.#before.map((one) => ({ instance: one.instance, gone: gone(one) }));
  }

  /** Whether the folder is the one this agent began in: not when that was removed, or its disk is away. */
  isThere(): boolean {
    return read(this.#path).some(({ instance }) => instance === this.instance);
  }

  /** Whether another instance runs on this folder and this machine: its workers are then those of this one. */
  sharesWorkers(instance: string | null): boolean {
    return read(this.#path).some((one) => one.instance === instance && one.machine === machine());
  }
}

function read(path: string): Instance[] {
  try {
    const { instances } = JSON.parse(readFileSync(path, "utf8")) as { instances: Instance[] };
    return instances.filter(({ instance, pid }) => typeof instance === "string" && Number.isInteger(pid));
  } catch {
    // Not there yet, or not readable: nobody is known to be gone, and the name is free after a silence.
    return [];
  }
}
