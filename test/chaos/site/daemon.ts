import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../src/core/paths.ts";

const restartMs = 150;
// A process lives for seconds: compilers that optimise would take more time of the cores than they give back.
const shortLived = ["--liftoff-only", "--max-lazy", "--no-opt"];

/** A command of the compiled program that is kept running, as systemd would: killed or not, it is started again. */
export class Daemon {
  readonly name: string;
  readonly #words: string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: string;
  #child: ChildProcess | undefined;
  #paused = false;
  #closing = false;
  #downUntil = 0;
  #ended: Promise<void> = Promise.resolve();
  /** How often it ended although nobody killed it, and with what. */
  readonly crashes: string[] = [];

  constructor(name: string, words: string[], env: NodeJS.ProcessEnv, log: string) {
    this.name = name;
    this.#words = words;
    this.#env = env;
    this.#log = log;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#closing || this.#child) return;
    const output = openSync(this.#log, "a");
    const program = [...shortLived, join(packageRoot, "dist", "bin.js"), ...this.#words];
    const child = spawn(process.execPath, program, { env: this.#env, stdio: ["ignore", output, output] });
    closeSync(output);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.#child === child) this.#child = undefined;
        if (signal === null && !this.#closing)
          this.crashes.push(`${this.name} ended with ${code}: ${this.#lastWords()}`);
        if (!this.#closing)
          setTimeout(() => this.start(), Math.max(restartMs, this.#downUntil - Date.now())).unref();
        resolve();
      });
    });
  }

  /** Kill -9. It is started again after `downMs`. */
  kill(downMs: number): boolean {
    if (!this.#child) return false;
    this.#downUntil = Date.now() + downMs;
    this.#paused = false;
    return this.#child.kill("SIGKILL");
  }

  pause(): boolean {
    this.#paused = this.#child?.kill("SIGSTOP") ?? false;
    return this.#paused;
  }

  resume(): void {
    if (this.#paused) this.#child?.kill("SIGCONT");
    this.#paused = false;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.resume();
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  #lastWords(): string {
    return readFileSync(this.#log, "utf8").trim().split("\n").slice(-3).join(" / ").slice(-600);
  }
}
