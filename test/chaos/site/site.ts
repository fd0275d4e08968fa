import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { packageRoot } from "../../../src/core/paths.ts";
import { isSameProcess } from "../../../src/core/start-time.ts";
import { locate, workspaceId, writeWorkspaceNote } from "../../../src/core/workspace-note.ts";
import { AttemptFolder } from "../../../src/dispatch/attempt-folder.ts";
import { sessionIn } from "../../../src/dispatch/process/session.ts";
import { type Database, openDatabase } from "../../../src/records/database.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { emptyDisk, fillDisk, mountDisk, mountShared, unmountDisk } from "../../support/small-disk.ts";
import type { Plan } from "../plan/types.ts";
import { Daemon } from "./daemon.ts";
import type { Lane } from "./lane.ts";
import { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import { slowness, timesOf } from "./pace.ts";
import { processesIn, signalAll } from "./processes.ts";
import { Sentinels } from "./sentinels.ts";

const diskMegabytes = 4;
const token = "chaos-token-chaos-token";

/** An agent that should not be, and where. */
export interface Twin {
  daemon: Daemon;
  place: "own" | "same";
  machine?: Machine;
}

/** The processes of one seed: control planes, agents with their workspaces, the network between. */
export class Site {
  readonly lane: Lane;
  readonly database: Database;
  readonly name: string;
  /** Folder of everything of this seed but its servers. */
  readonly folder: string;
  readonly serves: Daemon[] = [];
  readonly agents: Daemon[] = [];
  /** Agents that should not be: of a name that another has. */
  readonly twins: Daemon[] = [];
  /** Workspaces of the agents, those of twins behind them. */
  readonly homes: string[] = [];
  readonly network: Network;
  /** Where the second agent runs when it shares the first one's disk. */
  machine: Machine | undefined;
  /** Attempts that a fault has taken from their agents: they may be LOST, no other may. */
  readonly taken = new Set<string>();
  /** A run whose rows somebody made unreadable, and how it is mended. */
  unreadable: { run: string; mend: () => Promise<void> } | undefined;
  /** Shards whose attempt ended with a move, and the step of the checkpoint that has to be gone on from. */
  readonly interrupted: { shard: string; step: number; at: Date }[] = [];
  readonly sentinels: Sentinels;
  readonly #mounted: string[] = [];
  readonly #others: Machine[] = [];
  readonly #serveHomes: string[] = [];
  /** Where a standby has the store of the first serve. */
  readonly #shared: string[] = [];
  #asleep = false;
  #moves = 0;
  /** Which serve the agents' requests go to while both run. */
  preferred = 0;
  /** How many times slower this machine is than an idle one. */
  readonly pace = slowness();

  private constructor(lane: Lane, name: string, database: Database, network: Network) {
    this.lane = lane;
    this.name = name;
    this.database = database;
    this.network = network;
    this.folder = join(lane.home, name);
    mkdirSync(join(this.folder, "logs"), { recursive: true });
    this.sentinels = new Sentinels(this.folder);
  }

  static async open(lane: Lane, plan: Plan, replay = 0): Promise<Site> {
    const name = `seed-${plan.seed}-${replay}`;
    const database = openDatabase(await lane.freshDatabase(name), 3);
    let opened: Site | undefined;
    const site = new Site(lane, name, database, await Network.open(() => opened?.address()));
    opened = site;
    const own = plan.sharedDisk ? 1 : plan.nodes;
    for (let i = 0; i < own; i++) site.homes.push(site.#home(`node-${i + 1}`));
    site.#serveHomes.push(site.homes[0]!);
    if (plan.serves === 2) site.#serveHomes.push(site.#home("standby"));
    if (plan.smallDisk) {
      mountDisk(site.homes[0]!, diskMegabytes);
      site.#mounted.push(site.homes[0]!);
    }
    site.#shareStore();
    // One workspace for both serves, each with a folder for its own notes.
    const id = workspaceId(site.homes[0]!);
    for (const home of site.#serveHomes.slice(1)) writeWorkspaceNote(home, { id, ...locate(home) });
    for (const home of site.homes) site.sentinels.lay(home);
    if (plan.sharedDisk) site.machine = await Machine.start("other", site.folder);
    const clocks = (file: string) => (plan.ownClocks ? { CHAOS_CLOCK: join(site.folder, file) } : {});
    for (const [i, home] of site.#serveHomes.entries())
      site.serves.push(site.#daemon(`serve-${i + 1}`, ["serve"], home, clocks("clock-of-serve")));
    for (let i = 0; i < plan.nodes; i++)
      site.agents.push(
        site.#agent(`agent-${i + 1}`, `n${i + 1}`, plan.slots, {
          home: site.homes[i] ?? site.homes[0]!,
          env: clocks("clock-of-agents"),
          ...(i === 1 && site.machine ? { machine: site.machine } : {}),
        }),
      );
    for (const daemon of site.daemons()) daemon.start();
    return site;
  }

  daemons(): Daemon[] {
    return [...this.serves, ...this.agents, ...this.twins];
  }

  /** Folders of all attempts, of every node. */
  attemptFolders(): AttemptFolder[] {
    return this.homes.flatMap((home) => {
      const attempts = join(home, "attempts");
      return existsSync(attempts)
        ? readdirSync(attempts).map((name) => new AttemptFolder(attempts, name))
        : [];
    });
  }

  /** Those whose shim runs. */
  runningAttempts(): { folder: AttemptFolder; shim: number }[] {
    return this.attemptFolders().flatMap((folder) => {
      const shim = folder.shim();
      if (!shim || folder.exit()) return [];
      if (isSameProcess(shim.pid, shim.start)) return [{ folder, shim: shim.pid }];
      // On another machine it has another number there than here.
      const here = this.machine === undefined ? undefined : sessionIn(folder.path);
      return here === undefined ? [] : [{ folder, shim: here }];
    });
  }

  /** All processes of workers, whatever became of their attempts. */
  workers(): number[] {
    return this.homes.flatMap((home) => processesIn(join(home, "attempts")));
  }

  /** What runs now may be LOST: a fault takes its processes away, or the one that would report it. */
  take(folders: readonly AttemptFolder[]): void {
    for (const { path } of folders) this.taken.add(basename(path));
  }

  /** What goes on must go on, what was taken away is there again. */
  async heal(): Promise<void> {
    this.network.mode = "fine";
    this.wake();
    for (const daemon of this.daemons()) daemon.heal();
    signalAll(this.workers(), "SIGCONT");
    for (const file of ["clock-of-serve", "clock-of-agents"]) this.setClock(file, 0);
    this.emptyDisk();
    await this.lane.start();
  }

  /** Everything here stands still, as on a laptop that is closed. False when it does already. */
  sleep(): boolean {
    if (this.#asleep) return false;
    this.#asleep = true;
    for (const daemon of this.daemons()) {
      daemon.hold();
      daemon.pause();
    }
    // What was started while the first were stopped is found by the second look.
    for (let look = 0; look < 2; look++) signalAll(this.workers(), "SIGSTOP");
    return true;
  }

  wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    signalAll(this.workers(), "SIGCONT");
    for (const daemon of this.daemons()) {
      daemon.resume();
      daemon.release();
    }
  }

  get asleep(): boolean {
    return this.#asleep;
  }

  /** How many milliseconds the clock of serves or agents is off. */
  setClock(which: string, ms: number): void {
    writeFileSync(join(this.folder, which), String(ms));
  }

  /** An agent of a name that another has, in a folder of its own or in that one's, here or on another machine. */
  async startTwin(of: number, slots: number, place: "own" | "same", elsewhere: boolean): Promise<Twin> {
    const name = `twin-${this.twins.length + 1}`;
    const home = place === "same" ? this.agents[of]!.home : this.#home(name);
    if (place === "own") {
      this.homes.push(home);
      this.sentinels.lay(home);
    }
    const machine = elsewhere ? await Machine.start(name, this.folder) : undefined;
    if (machine) this.#others.push(machine);
    const daemon = this.#agent(name, `n${of + 1}`, slots, { home, env: {}, ...(machine ? { machine } : {}) });
    this.twins.push(daemon);
    if (this.#asleep) daemon.hold();
    daemon.start();
    return { daemon, place, ...(machine ? { machine } : {}) };
  }

  /** It goes, and with its folder or its machine what runs there. */
  async endTwin({ daemon, place, machine }: Twin): Promise<void> {
    await daemon.close();
    const there = this.attemptFolders().filter(({ path }) => path.startsWith(`${daemon.home}/`));
    if (place === "own") {
      this.take(there);
      for (const { path } of there) signalAll(processesIn(path), "SIGKILL");
    } else if (machine) this.take(there.filter(({ path }) => machine.worksIn(path)));
    await machine?.cutPower();
  }

  /** Workspaces that can be carried elsewhere: none whose store is mounted from another. */
  movable(): string[] {
    const mounted = (home: string) => this.#shared.some((at) => at.startsWith(`${home}/`));
    return [...new Set(this.daemons().map(({ home }) => home))].filter((home) => !mounted(home));
  }

  /**
   * All that works in a workspace is ended, its folder carried elsewhere, and all of it started again there.
   * `meanwhile`: is called when nothing runs any more.
   */
  async move(home: string, patienceMs: number, meanwhile: () => Promise<void>): Promise<void> {
    // The one that stands by has the same store.
    const stores = home === this.#serveHomes[0] ? this.#serveHomes : [home];
    const those = this.daemons().filter((daemon) => stores.includes(daemon.home));
    await Promise.all(those.map((daemon) => daemon.down(patienceMs)));
    this.take(this.attemptFolders().filter(({ path }) => path.startsWith(`${home}/`)));
    for (let look = 0; look < 2; look++) signalAll(processesIn(join(home, "attempts")), "SIGKILL");
    while (processesIn(join(home, "attempts")).length > 0) await wait(5);
    await meanwhile();
    const moved = `${home.replace(/-moved-\d+$/, "")}-moved-${++this.#moves}`;
    renameSync(home, moved);
    for (const homes of [this.homes, this.#serveHomes])
      for (const [i, one] of homes.entries()) if (one === home) homes[i] = moved;
    this.sentinels.follow(home, moved);
    for (const daemon of those) if (daemon.home === home) daemon.moveTo(moved);
    for (const daemon of those) daemon.release();
  }

  fillDisk(): boolean {
    if (this.#mounted.length === 0) return false;
    fillDisk(this.#mounted[0]!, diskMegabytes);
    return true;
  }

  emptyDisk(): void {
    for (const home of this.#mounted) emptyDisk(home);
  }

  get smallDisk(): boolean {
    return this.#mounted.length > 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.daemons().map((daemon) => daemon.close()));
    signalAll(this.workers(), "SIGKILL");
    for (const machine of [this.machine, ...this.#others]) await machine?.cutPower();
    await this.network.close();
    await this.database.$disconnect();
    await this.lane.dropDatabase(this.name);
    for (const folder of [...this.#shared, ...this.#mounted]) unmountDisk(folder);
    removeFolder(this.folder);
  }

  log(name: string): string {
    const path = join(this.folder, "logs", `${name}.log`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Where requests of agents arrive: the preferred serve, or whichever says that it runs. */
  address(): string | undefined {
    const order = [this.preferred, 1 - this.preferred];
    for (const i of order) {
      const home = this.#serveHomes[i];
      if (home === undefined || this.serves[i]?.pid === undefined) continue;
      try {
        const note = JSON.parse(readFileSync(join(home, "serve.json"), "utf8")) as {
          pid: number;
          address: string;
        };
        if (note.pid === this.serves[i]?.pid) return note.address;
      } catch {
        // Not there yet.
      }
    }
    return undefined;
  }

  /** Environment of a command of the program in a workspace of this seed. */
  environment(home: string): NodeJS.ProcessEnv {
    return {
      ...process.env,
      ...timesOf(this.pace),
      LEGALONE_HOME: home,
      LEGALONE_DATABASE_URL: this.lane.databaseUrl(this.name),
      LEGALONE_REDIS_URL: this.lane.queueUrl(),
      LEGALONE_QUEUE_PREFIX: this.name,
      LEGALONE_TOKEN: token,
    };
  }

  /** Both serves have one store, on a disk that both have mounted: rows name it relative to the workspace. */
  #shareStore(): void {
    const [first, ...others] = this.#serveHomes as [string, ...string[]];
    for (const name of ["artifacts", "attempts"]) {
      mkdirSync(join(first, name), { recursive: true });
      for (const home of others) {
        mkdirSync(join(home, name));
        mountShared(join(first, name), join(home, name));
        this.#shared.push(join(home, name));
      }
    }
  }

  #home(name: string): string {
    const home = join(this.folder, name);
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o711);
    return home;
  }

  /** Stands where Python would: `-m stages.<kind>.run --job <file>`. */
  #program(): string {
    const path = join(this.folder, "stand-in");
    const python = join(packageRoot, ".venv", "bin", "python");
    const worker = join(packageRoot, "test", "chaos", "worker.py");
    if (!existsSync(path))
      writeFileSync(path, `#!/bin/sh\nexec "${python}" -I -S "${worker}" "$4"\n`, { mode: 0o755 });
    return path;
  }

  #agent(
    name: string,
    node: string,
    slots: number,
    { home, env, machine }: { home: string; env: NodeJS.ProcessEnv; machine?: Machine },
  ): Daemon {
    const words = ["agent", "--node", node, "--slots", String(slots)];
    const more = {
      LEGALONE_SERVE_URL: this.network.url,
      LEGALONE_PYTHON: this.#program(),
      LEGALONE_CONTAINER_SOCKET: "",
      // There nobody sees this process; all of it ends with it anyway.
      ...(machine ? { LEGALONE_OWNER_PID: "" } : {}),
      ...env,
    };
    return this.#daemon(name, words, home, more, machine);
  }

  #daemon(name: string, words: string[], home: string, more: NodeJS.ProcessEnv, machine?: Machine): Daemon {
    const env = { ...this.environment(home), ...more };
    const log = join(this.folder, "logs", `${name}.log`);
    return new Daemon({ name, words, env, log, ...(machine ? { machine } : {}) });
  }
}
