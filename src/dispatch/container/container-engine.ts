import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import Docker from "dockerode";
import { LegaloneError } from "../../core/errors.ts";
import { AttemptFolder, openAttempts } from "../attempt-folder.ts";
import type { Engine, Exit, Launch, Observation } from "../engine.ts";
import { StopLadders } from "../stop-ladder.ts";
import { type ContainerPlace, containerOptions, label } from "./container-options.ts";
import { Preparation } from "./preparation.ts";

export interface ContainerEngineOptions extends ContainerPlace {
  /** Socket of Docker or Podman. */
  socket: string;
  /** Environment of `prepare`, which runs on this machine. */
  env: NodeJS.ProcessEnv;
}

/**
 * Runs attempts as containers of Docker or Podman, named and labelled with the attempt. `prepare` runs before, as
 * a process of this machine. Files of the attempt's folder tell what was begun; every call goes on from there.
 */
export class ContainerEngine implements Engine {
  readonly name = "container";
  private readonly docker: Docker;
  private readonly options: ContainerEngineOptions;
  private readonly ladders = new StopLadders();
  private readonly moves = new Map<string, Promise<Observation>>();

  constructor(options: ContainerEngineOptions) {
    this.options = options;
    this.docker = new Docker({ socketPath: options.socket });
  }

  async start(launch: Launch): Promise<void> {
    const folder = this.folder(launch.attempt);
    if (launch.image === undefined)
      throw new LegaloneError("E_NODE", `${launch.attempt} names no image`, {
        hint: "Set `image` in the cluster's file.",
      });
    mkdirSync(folder.file("output"), { recursive: true });
    if (!existsSync(folder.file("job.json"))) folder.write("job.json", launch.job);
    if (!existsSync(folder.file("launch.json"))) folder.write("launch.json", launch);
    folder.write("engine.json", { engine: this.name });
    await this.observe(launch.attempt);
  }

  /** Looks, and does what is next: a container is made here once its preparation has ended well. */
  observe(attempt: string): Promise<Observation> {
    const known = this.moves.get(attempt);
    if (known !== undefined) return known;
    const move = this.move(attempt).finally(() => this.moves.delete(attempt));
    this.moves.set(attempt, move);
    return move;
  }

  async stop(attempt: string, graceSeconds: number): Promise<void> {
    const folder = this.folder(attempt);
    if (!existsSync(folder.path)) return;
    if (folder.stop() === undefined) {
      folder.write("stop.json", { at: Date.now(), graceSeconds });
      await this.preparation(folder).stop(graceSeconds);
      await this.signal(attempt, "SIGTERM");
    }
    void this.climb(attempt, folder).catch(() => {});
  }

  async adopt(): Promise<string[]> {
    const { attempts, workspace } = this.options;
    const filters = { label: [label.attempt, `${label.workspace}=${workspace}`] };
    const containers = await this.docker.listContainers({ all: true, filters });
    const labelled = containers.map(({ Labels }) => Labels[label.attempt] ?? "");
    const open = new Set([...openAttempts(attempts, this.name), ...labelled]);
    const held = [...open].filter((attempt) => attempt !== "" && !this.folder(attempt).reported());
    for (const attempt of held) {
      const folder = this.folder(attempt);
      if (folder.stop() !== undefined) void this.climb(attempt, folder).catch(() => {});
    }
    return held;
  }

  async forget(attempt: string): Promise<void> {
    const folder = this.folder(attempt);
    await ignoring([404, 409], () => this.docker.getContainer(attempt).remove({ force: true, v: true }));
    if (existsSync(folder.path)) writeFileSync(folder.file("reported"), "");
  }

  private folder(attempt: string): AttemptFolder {
    return new AttemptFolder(this.options.attempts, attempt);
  }

  private preparation(folder: AttemptFolder): Preparation {
    return new Preparation(folder, this.options.env);
  }

  private async move(attempt: string): Promise<Observation> {
    const folder = this.folder(attempt);
    const known = folder.exit();
    if (known !== undefined) return { state: "exited", exit: known };
    const launch = folder.read<Launch>("launch.json");
    if (launch === undefined) return { state: "lost" };
    if (folder.read("container.json") === undefined) {
      const prepared = await this.preparation(folder).observe(launch);
      if (prepared.state === "exited" && prepared.exit.code !== 0) return this.ended(folder, prepared.exit);
      if (prepared.state !== "exited") return prepared;
      if (folder.stop() !== undefined)
        return this.ended(folder, { code: null, signal: "SIGTERM", at: now() });
      const refused = await this.create(launch, folder);
      if (refused !== undefined) return this.ended(folder, refused);
    }
    return this.inspect(attempt, folder);
  }

  /** Makes the container; one of this name that exists is the one we want. An image that is not there is an end. */
  private async create(launch: Launch, folder: AttemptFolder): Promise<Exit | undefined> {
    try {
      const made = await ignoring([409], () =>
        this.docker.createContainer(containerOptions(launch, this.options)),
      );
      folder.write("container.json", { name: launch.attempt, id: made?.id ?? null });
      return undefined;
    } catch (error) {
      const status = statusOf(error);
      if (status === undefined || status >= 500) throw error;
      const message = `${launch.image}: ${error instanceof Error ? error.message : error}`;
      return { code: 127, signal: null, at: now(), reason: "dispatch_failed", message };
    }
  }

  private async inspect(attempt: string, folder: AttemptFolder): Promise<Observation> {
    const container = this.docker.getContainer(attempt);
    const seen = await ignoring([404], () => container.inspect());
    if (seen === undefined) return { state: "lost" };
    const { Status, ExitCode, FinishedAt, OOMKilled } = seen.State;
    if (Status === "created" || Status === "configured" || Status === "initialized") {
      await ignoring([304], () => container.start());
      return { state: "running" };
    }
    if (Status !== "exited" && Status !== "dead" && Status !== "stopped") return { state: "running" };
    const ended = Date.parse(FinishedAt) > 0 ? new Date(FinishedAt).toISOString() : now();
    const oom = OOMKilled ? { reason: "out_of_memory" as const } : {};
    return this.ended(folder, { ...exitOf(ExitCode), at: ended, ...oom });
  }

  /** From here on the file tells, whatever becomes of the container. */
  private ended(folder: AttemptFolder, exit: Exit): Observation {
    folder.write("exit.json", exit);
    return { state: "exited", exit };
  }

  private async climb(attempt: string, folder: AttemptFolder): Promise<void> {
    const runs = async () => (await this.observe(attempt)).state === "running";
    await this.ladders.climb(attempt, folder, runs, () => this.signal(attempt, "SIGKILL"));
  }

  /** One that is not there or does not run needs no signal. */
  private async signal(attempt: string, name: string): Promise<void> {
    await ignoring([404, 409, 500], () => this.docker.getContainer(attempt).kill({ signal: name }));
  }
}

/** A shell tells a signal n as 128 + n. */
function exitOf(code: number): { code: number | null; signal: string | null } {
  const number = code - 128;
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return name === undefined ? { code, signal: null } : { code: null, signal: name };
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

async function ignoring<T>(statuses: number[], call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (statuses.includes(statusOf(error) ?? 0)) return undefined;
    throw error;
  }
}

function now(): string {
  return new Date().toISOString();
}
