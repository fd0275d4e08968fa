import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, processesIn, signalAll } from "./processes.ts";

const bootIdFile = "/proc/sys/kernel/random/boot_id";
/** The first process of a machine: takes its name and boot, says so, and waits for those whose parents are gone. */
const init = `hostname "$1" && mount --bind "$2" ${bootIdFile} && echo up && while :; do sleep 5; done`;
const spaces = ["--uts", "--pid", "--mount"];

/**
 * Another machine on this one's disk and network: a hostname, a boot and process numbers of its own, so that neither knows
 * the processes of the other. Linux namespaces; needs root.
 */
export class Machine {
  readonly #name: string;
  readonly #boot: string;
  #first = 0;
  #unshare: ChildProcess | undefined;

  private constructor(name: string, folder: string) {
    this.#name = name;
    this.#boot = join(folder, `boot-of-${name}`);
  }

  /** False where this user may not. */
  static canStart(): boolean {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
    try {
      const script = `mount --bind /dev/null ${bootIdFile} && nsenter --target 1 --uts --pid --mount true`;
      execFileSync("unshare", [...spaces, "--fork", "--mount-proc", "sh", "-c", script], { stdio: "ignore" });
      execFileSync("setpriv", ["--pdeathsig", "KILL", "true"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }

  static async start(name: string, folder: string): Promise<Machine> {
    const machine = new Machine(name, folder);
    await machine.boot();
    return machine;
  }

  /** Words before those of a program that is to run there. */
  words(): string[] {
    return ["nsenter", "--target", String(this.#first), ...spaces, "--"];
  }

  /** Whether one of its processes works in a folder. */
  worksIn(folder: string): boolean {
    const own = spaceOf(this.#first);
    return own !== undefined && processesIn(folder).some((pid) => spaceOf(pid) === own);
  }

  /** Off at once, with all that runs there. */
  async cutPower(): Promise<void> {
    const unshare = this.#unshare;
    if (unshare === undefined) return;
    this.#unshare = undefined;
    if (unshare.exitCode !== null || unshare.signalCode !== null) return;
    const ended = new Promise((resolve) => unshare.once("exit", resolve));
    // Numbers of processes that have ended are given to others: only what is still its child is it.
    signalAll(
      childrenOf(unshare.pid!).filter((pid) => pid === this.#first),
      "SIGKILL",
    );
    await ended;
  }

  /** On, as another boot of the same machine. */
  async boot(): Promise<void> {
    writeFileSync(this.#boot, `${randomUUID()}\n`);
    // It ends with its parent, and what it started with it.
    const words = ["--pdeathsig", "KILL", "unshare", ...spaces, "--fork", "--kill-child", "--mount-proc"];
    const script = ["sh", "-c", init, "legalone-machine", this.#name, this.#boot];
    const child = spawn("setpriv", [...words, ...script], { cwd: "/", stdio: ["ignore", "pipe", "ignore"] });
    this.#unshare = child;
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`a machine did not start: ${code}`)));
    });
    while (this.#first === 0 || childrenOf(child.pid!)[0] !== this.#first) {
      this.#first = childrenOf(child.pid!)[0] ?? 0;
      await sleep(5);
    }
  }
}

/** Names where the number of a process counts; undefined when there is none. */
function spaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}
