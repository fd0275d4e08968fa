import { randomBytes } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { inFolder, isInFolder, isNoWay, readNoteIn } from "../core/own-folder.ts";
import { isAttemptId } from "../core/places.ts";
import { isOfThisBoot, machine } from "../core/start-time.ts";
import { createWhole, openToAppend, replaceWhole } from "../core/whole-file.ts";
import { inodeOf, isCopiedFolder } from "../core/workspace-note.ts";
import type { Exit } from "./engine.ts";

/** What engine.json says: who runs the attempt, and where its pids mean something. Older ones name only the engine. */
export interface EngineNote {
  engine: string;
  node?: string;
  machine?: string;
}

/**
 * Files of an attempt, <workspace>/attempts/<attempt>/. Its worker may put anything in their place, and in the folder's own:
 * all is read and written in that folder or not at all, and a link or another thing in its place is no folder.
 */
export class AttemptFolder {
  readonly path: string;
  readonly #home: string;
  readonly #way: readonly string[];

  /** @param attempt may name a folder below an attempt's, `<attempt>/prepare` */
  constructor(attempts: string, attempt: string) {
    this.path = join(attempts, attempt);
    this.#home = dirname(attempts);
    this.#way = [basename(attempts), ...attempt.split("/")];
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Makes it, and a folder `below` it. @throws ENOTDIR where something else stands */
  make(...below: string[]): void {
    mkdirSync(this.#home, { recursive: true });
    inFolder(this.#home, [...this.#way, ...below], () => {}, { make: true });
  }

  isThere(): boolean {
    return isInFolder(this.#home, this.#way);
  }

  /** Its number; undefined where it is not there. */
  inode(): string | undefined {
    return this.#here(inodeOf);
  }

  /** Whether there is something of that name in it, whatever it is. */
  has(name: string): boolean {
    return this.stat(name) !== undefined;
  }

  stat(name: string): Stats | undefined {
    return this.#here((folder) => lstatSync(join(folder, name), { throwIfNoEntry: false }));
  }

  /** A descriptor of a file to append to. @throws where something else stands */
  append(name: string): number {
    return inFolder(this.#home, this.#way, (folder) => openToAppend(join(folder, name)));
  }

  /** What runs in it begins in it. */
  enter<T>(work: (folder: string) => T): T {
    return inFolder(this.#home, this.#way, work);
  }

  /** The job, once it is written. */
  job(): { epoch: number; folder?: string } | undefined {
    const told = this.read<{ epoch: number; folder?: string }>("job.json");
    const isEpoch = Number.isInteger(told?.epoch) && told!.epoch >= 1 && told!.epoch < 2 ** 31;
    return isEpoch ? told : undefined;
  }

  /** The shim: its pid, which also names its session and process group, and its start time. */
  shim(): { pid: number; start: string } | undefined {
    const told = this.read<{ pid: number; start: string }>("pid.json");
    // 0 for one that never was; 1 and numbers below name no shim, and would signal the machine.
    const sound = Number.isSafeInteger(told?.pid) && (told?.pid === 0 || told!.pid > 1);
    return sound && typeof told?.start === "string" ? told : undefined;
  }

  /** How it ended, once the shim has said so. */
  exit(): Exit | undefined {
    return soundExit(this.read("exit.json"));
  }

  /** Which engine of which node started it. */
  engine(): EngineNote | undefined {
    return this.read("engine.json");
  }

  /** Writes engine.json for an attempt that `engine` of `node` runs on this machine. */
  claimFor(engine: string, node: string, more: Record<string, unknown> = {}): void {
    this.write("engine.json", { engine, node, machine: machine(), inode: this.inode(), ...more });
  }

  /**
   * Whether its pids are those of this machine since it came up: else they say nothing here, and belong to strangers. Those
   * in a copied folder belong to the original.
   */
  isHere(): boolean {
    if (this.isCopy()) return false;
    const there = this.engine()?.machine;
    if (there !== undefined) return there === machine();
    const shim = this.shim();
    return shim === undefined || isOfThisBoot(shim.start);
  }

  /** Whether it was copied from where its engine made it: what runs for it is the original's. */
  isCopy(): boolean {
    return isCopiedFolder(this.path);
  }

  /** Whether it is the node's. An older note names none: then it is, where its processes could be here. */
  isOf(node: string): boolean {
    const note = this.engine();
    return note?.node === undefined ? this.isHere() : note.node === node;
  }

  /** When and how patiently it was asked to stop. */
  stop(): { at: number; graceSeconds: number } | undefined {
    const told = this.read<{ at: number; graceSeconds: number }>("stop.json");
    return Number.isFinite(told?.at) && Number.isFinite(told?.graceSeconds) ? told : undefined;
  }

  /** True once serve has recorded its end. */
  reported(): boolean {
    return this.has("reported");
  }

  /** Notes that serve has recorded its end; of a folder that is not there nothing is left to note. */
  markReported(): void {
    this.#here((folder) => replaceWhole(join(folder, "reported"), ""));
  }

  /** @throws ENOENT, ENOTDIR where there is no such folder */
  write(name: string, value: unknown): void {
    const text = `${JSON.stringify(value)}\n`;
    inFolder(this.#home, this.#way, (folder) => {
      const path = join(folder, name);
      // A folder keeps no note from its place.
      if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
        renameSync(path, `${path}.${randomBytes(6).toString("hex")}`);
      replaceWhole(path, text);
    });
  }

  /** Writes a note where there is none of its name. False where there is. */
  create(name: string, value: unknown): boolean {
    return inFolder(this.#home, this.#way, (folder) =>
      createWhole(join(folder, name), `${JSON.stringify(value)}\n`),
    );
  }

  remove(name: string): void {
    this.#here((folder) => rmSync(join(folder, name), { force: true }));
  }

  /** A note, as readNoteIn() reads it. */
  read<T extends object>(name: string): T | undefined {
    return readNoteIn(this.#home, this.#way, name);
  }

  #here<T>(work: (folder: string) => T): T | undefined {
    try {
      return inFolder(this.#home, this.#way, work);
    } catch (error) {
      if (isNoWay(error)) return undefined;
      throw error;
    }
  }
}

/** Numbers and texts of a worker's hand are what they should be, or it has not said how it ended. */
function soundExit(told: Exit | undefined): Exit | undefined {
  if (told === undefined) return undefined;
  const { code, signal, at } = told;
  const isCode = code === null || (Number.isInteger(code) && Math.abs(code) < 2 ** 31);
  const isSignal =
    signal === null || (typeof signal === "string" && /^[A-Z0-9][A-Z0-9+-]{0,19}$/.test(signal));
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(at);
  if (!isCode || !isSignal || !isTime || Number.isNaN(Date.parse(at))) return undefined;
  const reason = ["out_of_memory", "dispatch_failed"].find(
    (known) => known === told.reason,
  ) as Exit["reason"];
  const message = typeof told.message === "string" ? told.message : undefined;
  return { code, signal, at, ...(reason && { reason }), ...(message !== undefined && { message }) };
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
    // What is no name of ours serve would not take.
    if (!isAttemptId(name)) return false;
    const folder = new AttemptFolder(attempts, name);
    if (folder.engine()?.engine !== engine || folder.reported()) return false;
    return node === undefined || folder.isOf(node);
  });
}
