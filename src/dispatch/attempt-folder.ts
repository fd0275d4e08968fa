import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { isOfThisBoot, machine } from "../core/start-time.ts";
import { readWholeFile, replaceWhole } from "../core/whole-file.ts";
import { inodeOf, isCopiedFolder } from "../core/workspace-note.ts";
import type { Exit } from "./engine.ts";

/** What engine.json says: who runs the attempt, and where its pids mean something. Older ones name only the engine. */
export interface EngineNote {
  engine: string;
  node?: string;
  machine?: string;
}

/** A job names its inputs, and those of a join can be tens of thousands. */
const longestNote = 256 * 1024 * 1024;

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
  job(): { epoch: number; events: string; folder?: string } | undefined {
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

  /** Which engine of which node started it. */
  engine(): EngineNote | undefined {
    return this.read("engine.json");
  }

  /** Writes engine.json for an attempt that `engine` of `node` runs on this machine. */
  claimFor(engine: string, node: string, more: Record<string, unknown> = {}): void {
    this.write("engine.json", { engine, node, machine: machine(), inode: inodeOf(this.path), ...more });
  }

  /**
   * Whether its pids are those of this machine since it came up: else they say nothing here, and belong to strangers. Those
   * in a copied folder belong to the original.
   */
  isHere(): boolean {
    if (isCopiedFolder(this.path)) return false;
    const there = this.engine()?.machine;
    if (there !== undefined) return there === machine();
    const shim = this.shim();
    return shim === undefined || isOfThisBoot(shim.start);
  }

  /** Whether it is the node's. An older note names none: then it is, where its processes could be here. */
  isOf(node: string): boolean {
    const note = this.engine();
    return note?.node === undefined ? this.isHere() : note.node === node;
  }

  /** When and how patiently it was asked to stop. */
  stop(): { at: number; graceSeconds: number } | undefined {
    return this.read("stop.json");
  }

  /** True once serve has recorded its end. */
  reported(): boolean {
    return existsSync(this.file("reported"));
  }

  /** Notes that serve has recorded its end. */
  markReported(): void {
    replaceWhole(this.file("reported"), "");
  }

  write(name: string, value: unknown): void {
    replaceWhole(this.file(name), `${JSON.stringify(value)}\n`);
  }

  /** A file that is absent or half-written counts as not there yet; so does what is no file. */
  read<T>(name: string): T | undefined {
    try {
      return JSON.parse(readWholeFile(this.file(name), longestNote).toString("utf8")) as T;
    } catch {
      return undefined;
    }
  }
}

/** @throws LegaloneError E_NODE when the attempt is another node's: nothing of it is this one's to touch */
export function refuseOthers(folder: AttemptFolder, node: string): void {
  if (folder.engine() === undefined || folder.isOf(node)) return;
  const owner = folder.engine()?.node ?? "another machine";
  throw new LegaloneError("E_NODE", `${folder.path} belongs to node ${owner}, not to ${node}`, {
    hint: "Two agents that share a folder need names of their own (--node).",
  });
}

/**
 * Names of the attempts below `attempts` that an engine of `node` started and whose end is not recorded yet; without
 * `node` those of all nodes. Several nodes may share the folder.
 */
export function openAttempts(attempts: string, engine: string, node?: string): string[] {
  if (!existsSync(attempts)) return [];
  return readdirSync(attempts).filter((name) => {
    const folder = new AttemptFolder(attempts, name);
    if (folder.engine()?.engine !== engine || folder.reported()) return false;
    return node === undefined || folder.isOf(node);
  });
}
