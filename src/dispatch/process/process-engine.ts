import { spawn } from "node:child_process";
import { closeSync, existsSync, realpathSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isNoWay } from "../../core/own-folder.ts";
import { isOfThisBoot, isSameProcess, startTime } from "../../core/start-time.ts";
import { variableValues } from "../../core/variables.ts";
import { AttemptFolder, openAttempts, refuseOthers } from "../attempt-folder.ts";
import { type Engine, EngineAway, type Exit, type Launch, type Observation } from "../engine.ts";
import { StopLadders } from "../stop-ladder.ts";
import { oomKills } from "./oom-kills.ts";
import { sessionIn, sessionMembers, signal } from "./session.ts";
import { shim } from "./shim.ts";

/** From spawn to pid.json takes 2 ms; after this long nothing is coming. */
const startPatienceMs = 5000;
/** After a KILL of all it waits for, the shim writes exit.json within milliseconds. */
const afterKillMs = 2000;

export interface ProcessEngineOptions {
  /** Folder of all attempts. */
  attempts: string;
  /** Name of the node whose attempts it runs: other nodes may share the folder. */
  node: string;
  /** The whole environment of workers, before what a launch adds. */
  env: NodeJS.ProcessEnv;
  /** How often the kernel has killed for want of memory; oomKills() when left out. */
  oomKills?: () => number | undefined;
  /** Called with the pid of each new shim, which leads its process group. */
  onStart?: (pid: number) => void;
  log?: Log;
}

/**
 * Runs attempts as plain processes of this machine, each in a session of its own. All state is in the attempt's
 * folder, so any later engine on the same folder goes on where this one stopped.
 */
export class ProcessEngine implements Engine {
  readonly name = "process";
  private readonly options: ProcessEngineOptions;
  private readonly ladders: StopLadders;
  /** When attempts were first seen without a shim, on this process's steady clock. */
  private readonly starting = new Map<string, number>();
  /** What was seen to run here, and in which folder: whatever becomes of its notes. */
  private readonly known = new Map<string, Shim & { inode: string }>();
  /** What this engine began and has not seen in pid.json yet. */
  private readonly begun = new Map<string, Shim & { inode: string }>();

  constructor(options: ProcessEngineOptions) {
    this.options = options;
    this.ladders = new StopLadders(options.log);
  }

  async start(launch: Launch): Promise<void> {
    const folder = this.folder(launch.attempt);
    if (!this.known.has(launch.attempt)) refuseOthers(folder, this.options.node);
    if (this.shim(launch.attempt, folder) !== undefined) return;
    folder.make("output");
    if (!folder.has("job.json")) folder.write("job.json", launch.job);
    folder.claimFor(this.name, this.options.node, { oomKills: this.oomKills() });
    const prepare = launch.prepare ?? [];
    const words = ["-c", shim, "legalone-shim", String(prepare.length), ...prepare, ...launch.main];
    const inode = folder.inode();
    const stdout = folder.append("stdout.log");
    const stderr = folder.append("stderr.log");
    const env = { ...this.options.env, ...variableValues(launch.variables), ...launch.env };
    const child = folder.enter((cwd) =>
      spawn("/bin/sh", words, { cwd, env, detached: true, stdio: ["ignore", stdout, stderr] }),
    );
    closeSync(stdout);
    closeSync(stderr);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) => {
        reject(new LegaloneError("E_NODE", `cannot start ${launch.attempt}: ${cause.message}`, { cause }));
      });
    });
    child.unref();
    if (child.pid === undefined) return;
    if (inode !== undefined)
      this.begun.set(launch.attempt, { pid: child.pid, start: startTime(child.pid) ?? "gone", inode });
    this.options.onStart?.(child.pid);
  }

  async observe(attempt: string): Promise<Observation> {
    const folder = this.folder(attempt);
    if (!this.known.has(attempt)) refuseOthers(folder, this.options.node);
    const replaced = this.replaced(attempt, folder);
    if (replaced !== undefined) return replaced;
    const before = this.exitOf(folder);
    if (before !== undefined) return { state: "exited", exit: before };
    const shim = this.shim(attempt, folder);
    if (shim === undefined) {
      if (this.startsNow(attempt, folder)) return { state: "running" };
      this.claim(folder);
      return { state: "lost" };
    }
    this.starting.delete(attempt);
    if (isSameProcess(shim.pid, shim.start)) return { state: "running" };
    // It may have written its last word between the two looks.
    const exit = this.exitOf(folder);
    if (exit !== undefined) return { state: "exited", exit };
    // A shim that was killed leaves its worker running; the attempt is live as long as any process is.
    return leftBehind(shim).length > 0 ? { state: "running" } : { state: "lost" };
  }

  async stop(attempt: string, graceSeconds: number): Promise<void> {
    const folder = this.folder(attempt);
    if (!this.isOurs(attempt, folder)) return;
    if (this.ladders.ask(attempt, folder, graceSeconds)) {
      this.claim(folder);
      const shim = this.shim(attempt, folder);
      if (shim !== undefined) terminate(shim);
    }
    this.climb(attempt, folder);
  }

  async adopt(): Promise<string[]> {
    const attempts = openAttempts(this.options.attempts, this.name, this.options.node);
    for (const attempt of attempts) {
      const folder = this.folder(attempt);
      if (folder.stop() !== undefined) this.climb(attempt, folder);
    }
    return attempts;
  }

  async forget(attempt: string): Promise<void> {
    const folder = this.folder(attempt);
    if (!this.isOurs(attempt, folder)) return;
    const shim = this.shim(attempt, folder);
    // Its shim may be on its last line.
    if (shim !== undefined) for (const pid of sessionOf(shim)) signal(pid, "SIGKILL");
    folder.markReported();
    this.known.delete(attempt);
    this.begun.delete(attempt);
    this.starting.delete(attempt);
    this.ladders.forget(attempt);
  }

  private folder(attempt: string): AttemptFolder {
    return new AttemptFolder(this.options.attempts, attempt);
  }

  private isOurs(attempt: string, folder: AttemptFolder): boolean {
    const seen = this.known.has(attempt) || this.begun.has(attempt);
    return seen || (folder.isThere() && folder.isOf(this.options.node));
  }

  /**
   * What ran in a folder that is no longer the one it began in: whatever stands there now is not its, and what it makes goes
   * nowhere. So it is ended.
   */
  private replaced(attempt: string, folder: AttemptFolder): Observation | undefined {
    const known = this.known.get(attempt) ?? this.begun.get(attempt);
    const inode = folder.inode();
    if (inode !== undefined && (known === undefined || known.inode === inode)) return undefined;
    if (!existsSync(this.options.attempts))
      throw new EngineAway(`${this.options.attempts} is not there: it was removed, or its disk is away`);
    if (known === undefined) return { state: "lost" };
    for (const pid of sessionOf(known)) signal(pid, "SIGKILL");
    if (isSameProcess(known.pid, known.start)) signal(known.pid, "SIGKILL");
    const seen = inode === undefined ? "is no longer there" : "is another one";
    const message = `the folder of the attempt ${seen}: somebody removed it or put something in its place while the worker ran`;
    return { state: "lost", message };
  }

  /**
   * The shim of an attempt, by its first word: what a worker writes over it counts for nothing while this engine remembers. A
   * pid.json that is there and says nothing (the machine went down, or the disk was full) is written again from what runs in
   * the folder, so that no worker is left to itself. One of another machine, or of before the last boot, has ended for this
   * one: its number belongs to somebody else here.
   */
  private shim(attempt: string, folder: AttemptFolder): Shim | undefined {
    const known = this.known.get(attempt);
    if (known !== undefined) return known;
    const told = folder.shim();
    if (told !== undefined && !folder.isHere()) return { pid: 0, start: "elsewhere" };
    if (told !== undefined) return this.remember(attempt, folder, told);
    if (!folder.has("pid.json")) return undefined;
    const pid = sessionIn(realpathSync(folder.path));
    if (pid === undefined) return undefined;
    const found = { pid, start: startTime(pid) ?? "gone" };
    try {
      folder.write("pid.json", found);
    } catch {
      // Without room it is found the same way again.
    }
    return this.remember(attempt, folder, found);
  }

  private remember(attempt: string, folder: AttemptFolder, { pid, start }: Shim): Shim {
    const inode = folder.inode();
    if (inode !== undefined && pid !== 0) this.known.set(attempt, { pid, start, inode });
    this.begun.delete(attempt);
    return { pid, start };
  }

  private climb(attempt: string, folder: AttemptFolder): void {
    const runs = async () => (await this.observe(attempt)).state === "running";
    this.ladders.begin(attempt, folder, runs, async () => {
      const shim = this.shim(attempt, folder);
      if (shim === undefined) return;
      // First everything but the shim, which then records the end.
      for (const pid of sessionOf(shim)) signal(pid, "SIGKILL");
      await sleep(afterKillMs, undefined, { ref: false });
      if (!(await runs())) return;
      for (const pid of sessionOf(shim)) signal(pid, "SIGKILL");
      if (isSameProcess(shim.pid, shim.start)) signal(shim.pid, "SIGKILL");
    });
  }

  /**
   * How it ended. The kernel tells nobody that it killed for want of memory, it only counts: a KILL that nobody here
   * sent, and a count that rose since the start, are taken for one. Both are faults of the node, so nothing hangs on it.
   */
  private exitOf(folder: AttemptFolder): Exit | undefined {
    const exit = folder.exit();
    if (exit?.signal !== "SIGKILL" || folder.stop() !== undefined) return exit;
    const before = folder.read<{ oomKills?: number }>("engine.json")?.oomKills;
    const now = this.oomKills();
    if (before === undefined || now === undefined || now <= before) return exit;
    const message = `ended by SIGKILL; the kernel has killed ${now - before} processes for want of memory since it began`;
    return { ...exit, reason: "out_of_memory", message };
  }

  private oomKills(): number | undefined {
    return (this.options.oomKills ?? oomKills)();
  }

  /**
   * Whether its shim may still be coming: for a while after this engine first saw it without one. The times of files say
   * nothing here: a shared disk has a clock of its own.
   */
  private startsNow(attempt: string, folder: AttemptFolder): boolean {
    if (!folder.has("job.json")) return false;
    const since = this.starting.get(attempt) ?? performance.now();
    this.starting.set(attempt, since);
    return performance.now() - since < startPatienceMs;
  }

  /** Takes pid.json if no shim has: one that comes late finds it and leaves. */
  private claim(folder: AttemptFolder): void {
    try {
      folder.create("pid.json", { pid: 0, start: "never" });
    } catch (error) {
      if (!isNoWay(error)) throw error;
    }
  }
}

interface Shim {
  pid: number;
  start: string;
}

function terminate(shim: Shim): void {
  if (isSameProcess(shim.pid, shim.start)) signal(-shim.pid, "SIGTERM");
  else for (const pid of leftBehind(shim)) signal(pid, "SIGTERM");
}

function sessionOf(shim: Shim): number[] {
  return isSameProcess(shim.pid, shim.start) ? sessionMembers(shim.pid) : leftBehind(shim);
}

/**
 * What is left of a dead shim's session. The system gives its number to nobody while a member lives, so a live
 * process of that number that is not the shim means that the session is another one. A shim that has ended and that
 * nobody has waited for yet still has its number, and is dead all the same.
 */
function leftBehind(shim: Shim): number[] {
  if (shim.pid === 0 || !isOfThisBoot(shim.start) || startTime(shim.pid) !== undefined) return [];
  return sessionMembers(shim.pid);
}
