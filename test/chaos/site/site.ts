import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../src/core/paths.ts";
import { isSameProcess } from "../../../src/core/start-time.ts";
import { AttemptFolder } from "../../../src/dispatch/attempt-folder.ts";
import { type Database, openDatabase } from "../../../src/records/database.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { emptyDisk, fillDisk, mountDisk, unmountDisk } from "../../support/small-disk.ts";
import type { Plan } from "../plan/types.ts";
import { Daemon } from "./daemon.ts";
import type { Lane } from "./lane.ts";
import { Network } from "./network.ts";
import { slowness, timesOf } from "./pace.ts";
import { processesIn, signalAll } from "./processes.ts";

const diskMegabytes = 3;
const token = "chaos-token-chaos-token";

/** The processes of one seed: control planes, agents with their workspaces, the network between. */
export class Site {
  readonly lane: Lane;
  readonly database: Database;
  readonly name: string;
  /** Folder of everything of this seed but its servers. */
  readonly folder: string;
  readonly serves: Daemon[] = [];
  readonly agents: Daemon[] = [];
  /** Workspaces of the agents. */
  readonly homes: string[] = [];
  readonly network: Network;
  readonly #mounted: string[] = [];
  #serveHomes: string[] = [];
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
  }

  static async open(lane: Lane, plan: Plan, replay = 0): Promise<Site> {
    const name = `seed-${plan.seed}-${replay}`;
    const database = openDatabase(await lane.freshDatabase(name), 3);
    let opened: Site | undefined;
    const site = new Site(lane, name, database, await Network.open(() => opened?.address()));
    opened = site;
    mkdirSync(join(site.folder, "logs"), { recursive: true });
    for (let i = 0; i < plan.nodes; i++) site.homes.push(site.#home(`node-${i + 1}`));
    site.#serveHomes = [site.homes[0]!];
    if (plan.serves === 2) site.#serveHomes.push(site.#home("standby"));
    if (plan.smallDisk) {
      mountDisk(site.homes[0]!, diskMegabytes);
      site.#mounted.push(site.homes[0]!);
    }
    const program = site.#program();
    for (const [i, home] of site.#serveHomes.entries())
      site.serves.push(site.#daemon(`serve-${i + 1}`, ["serve"], home, {}));
    for (const [i, home] of site.homes.entries()) {
      const words = ["agent", "--node", `n${i + 1}`, "--slots", String(plan.slots)];
      const env = {
        LEGALONE_SERVE_URL: site.network.url,
        LEGALONE_PYTHON: program,
        LEGALONE_CONTAINER_SOCKET: "",
      };
      site.agents.push(site.#daemon(`agent-${i + 1}`, words, home, env));
    }
    for (const daemon of site.daemons()) daemon.start();
    return site;
  }

  daemons(): Daemon[] {
    return [...this.serves, ...this.agents];
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
      return shim && isSameProcess(shim.pid, shim.start) ? [{ folder, shim: shim.pid }] : [];
    });
  }

  /** All processes of workers, whatever became of their attempts. */
  workers(): number[] {
    return this.homes.flatMap((home) => processesIn(join(home, "attempts")));
  }

  /** What goes on must go on, what was taken away is there again. */
  async heal(): Promise<void> {
    this.network.mode = "fine";
    for (const daemon of this.daemons()) daemon.resume();
    signalAll(this.workers(), "SIGCONT");
    this.emptyDisk();
    await this.lane.start();
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
    await this.network.close();
    await this.database.$disconnect();
    await this.lane.dropDatabase(this.name);
    for (const home of this.#mounted) unmountDisk(home);
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
    writeFileSync(path, `#!/bin/sh\nexec "${python}" -I -S "${worker}" "$4"\n`, { mode: 0o755 });
    return path;
  }

  #daemon(name: string, words: string[], home: string, more: NodeJS.ProcessEnv): Daemon {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      ...timesOf(this.pace),
      LEGALONE_HOME: home,
      LEGALONE_DATABASE_URL: this.lane.databaseUrl(this.name),
      LEGALONE_REDIS_URL: this.lane.queueUrl(),
      LEGALONE_QUEUE_PREFIX: this.name,
      LEGALONE_TOKEN: token,
      ...more,
    };
    return new Daemon(name, words, env, join(this.folder, "logs", `${name}.log`));
  }
}
