import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../src/core/paths.ts";
import type { Machine } from "./machine.ts";
import { childrenOf, signalAll } from "./processes.ts";

const restartMs = 150;
// A process lives for seconds: compilers that optimise would take more time of the cores than they give back.
const shortLived = ["--liftoff-only", "--max-lazy", "--no-opt"];

export interface DaemonOptions {
  name: string;
  /** Of the program's command line. */
  words: string[];
  env: NodeJS.ProcessEnv;
  /** File of all it says. */
  log: string;
  /** Where it runs, if not here. */
  machine?: Machine;
}

/** A command of the compiled program that is kept running, as systemd would: killed or not, it is started again. */
export class Daemon {
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  /** Faults that let it stand still, and those that keep it from being started. */
  #pauses = 0;
  #holds = 0;
  #closing = false;
  #downUntil = 0;
  #ended: Promise<void> = Promise.resolve();
  /** How often it ended although nobody killed it, and with what. */
  readonly crashes: string[] = [];

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Its workspace. */
  get home(): string {
    return this.#options.env.LEGALONE_HOME!;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#closing || this.#child || this.#holds > 0) return;
    const { env, log, machine, words } = this.#options;
    const output = openSync(log, "a");
    const preload = env.CHAOS_CLOCK
      ? ["--import", join(packageRoot, "test/chaos/site/shifted-clock.mjs")]
      : [];
    const program = [...shortLived, ...preload, join(packageRoot, "dist", "bin.js"), ...words];
    const [command, ...rest] = [...(machine?.words() ?? []), process.execPath, ...program];
    const child = spawn(command!, rest, { env, stdio: ["ignore", output, output] });
    closeSync(output);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.#child === child) this.#child = undefined;
        this.#pauses = 0;
        const asked = this.#closing || (this.#holds > 0 && code === 0);
        const crashed = signal === null && !asked;
        if (crashed) this.crashes.push(`${this.name} ended with ${code}: ${this.#lastWords()}`);
        // What ends at once each time would leave the other seeds no processor.
        const againMs = crashed ? Math.min(20_000, restartMs * 2 ** this.crashes.length) : restartMs;
        if (!this.#closing)
          setTimeout(() => this.start(), Math.max(againMs, this.#downUntil - Date.now())).unref();
        resolve();
      });
    });
  }

  /** Kill -9. It is started again after `downMs`. */
  kill(downMs: number): boolean {
    if (!this.#child) return false;
    this.#downUntil = Date.now() + downMs;
    return this.#signal("SIGKILL");
  }

  pause(): boolean {
    if (!this.#child || !this.#signal("SIGSTOP")) return false;
    this.#pauses++;
    return true;
  }

  resume(): void {
    if (this.#pauses > 0 && --this.#pauses === 0) this.#signal("SIGCONT");
  }

  /** Goes on, however many let it stand still. */
  heal(): void {
    this.#pauses = Math.min(1, this.#pauses);
    this.resume();
  }

  /** Until release() it is not started. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
    this.start();
  }

  /** Ends it until release(): asked to, and killed when it does not leave within `patienceMs`. */
  async down(patienceMs: number): Promise<void> {
    this.hold();
    if (!this.#child) return;
    if (patienceMs > 0) this.#signal("SIGTERM");
    const late = setTimeout(() => this.#signal("SIGKILL"), patienceMs);
    await this.#ended;
    clearTimeout(late);
  }

  /** Its workspace is elsewhere from its next start on. */
  moveTo(home: string): void {
    this.#options.env.LEGALONE_HOME = home;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.heal();
    this.#signal("SIGKILL");
    await this.#ended;
  }

  /** On another machine the child is what entered it, and ends as that one does. */
  #signal(name: NodeJS.Signals): boolean {
    const pid = this.#child?.pid;
    if (pid === undefined) return false;
    if (this.#options.machine === undefined) return this.#child!.kill(name);
    const inner = childrenOf(pid);
    signalAll(name === "SIGCONT" || inner.length === 0 ? [...inner, pid] : inner, name);
    return true;
  }

  #lastWords(): string {
    return readFileSync(this.#options.log, "utf8").trim().split("\n").slice(-3).join(" / ").slice(-600);
  }
}
