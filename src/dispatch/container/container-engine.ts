import { closeSync, existsSync } from "node:fs";
import { constants } from "node:os";
import Docker from "dockerode";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { AttemptFolder, openAttempts, refuseOthers } from "../attempt-folder.ts";
import { type Engine, EngineAway, type Exit, type Launch, type Observation } from "../engine.ts";
import { StopLadders } from "../stop-ladder.ts";
import { type ContainerPlace, containerOptions, label } from "./container-options.ts";
import { Preparation } from "./preparation.ts";

/** A daemon that says nothing for so long is away: no call of ours takes it long. */
const answerMs = 30_000;

export interface ContainerEngineOptions extends ContainerPlace {
  /** Socket of Docker or Podman. */
  socket: string;
  /** Environment of `prepare`, which runs on this machine. */
  env: NodeJS.ProcessEnv;
  log?: Log;
}

/**
 * Runs attempts as containers of Docker or Podman, named and labelled with the attempt. `prepare` runs before, as
 * a process of this machine. Files of the attempt's folder tell what was begun; every call goes on from there.
 */
export class ContainerEngine implements Engine {
  readonly name = "container";
  private readonly docker: Docker;
  private readonly options: ContainerEngineOptions;
  private readonly ladders: StopLadders;
  private readonly preparation: Preparation;
  private readonly moves = new Map<string, Promise<Observation>>();

  constructor(options: ContainerEngineOptions) {
    this.options = options;
    this.ladders = new StopLadders(options.log);
    this.preparation = new Preparation(options);
    this.docker = new Docker({ socketPath: options.socket, timeout: answerMs });
  }

  async start(launch: Launch): Promise<void> {
    const folder = this.folder(launch.attempt);
    refuseOthers(folder, this.options.node);
    if (launch.image === undefined)
      throw new LegaloneError("E_NODE", `${launch.attempt} names no image`, {
        hint: "Set `image` in the cluster's file.",
      });
    folder.make("output");
    // Both are read-only for the worker, and so is engine.json.
    if (!folder.has("job.json")) folder.write("job.json", launch.job);
    if (!folder.has("launch.json")) folder.write("launch.json", launch);
    if (!folder.has("engine.json")) folder.claimFor(this.name, this.options.node);
    for (const log of ["stdout.log", "stderr.log"]) closeSync(folder.append(log));
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
    if (folder.isThere() && !folder.isOf(this.options.node)) return;
    if (this.ladders.ask(attempt, folder, graceSeconds)) {
      try {
        await this.preparation.stop(attempt, graceSeconds);
        await this.signal(attempt, "SIGTERM");
      } catch (error) {
        this.ladders.withdraw(attempt, folder);
        throw error;
      }
    }
    this.climb(attempt, folder);
  }

  async adopt(): Promise<string[]> {
    const { attempts, node } = this.options;
    const filters = { label: [label.attempt] };
    const containers = await answered(() => this.docker.listContainers({ all: true, filters }));
    const labelled = containers
      .filter(({ Labels }) => this.isOurs(Labels))
      .map(({ Labels }) => Labels[label.attempt]!);
    const open = new Set([...openAttempts(attempts, this.name, node), ...labelled]);
    const held = [...open].filter((attempt) => !this.folder(attempt).reported());
    for (const attempt of held) {
      const folder = this.folder(attempt);
      if (folder.stop() !== undefined) this.climb(attempt, folder);
    }
    return held;
  }

  async forget(attempt: string): Promise<void> {
    const folder = this.folder(attempt);
    if (!folder.isOf(this.options.node)) return;
    const seen = await this.find(attempt);
    if (seen !== undefined && this.isOurs(seen.Config.Labels))
      await ignoring([404, 409], () => this.docker.getContainer(seen.Id).remove({ force: true, v: true }));
    folder.markReported();
    await this.preparation.forget(attempt);
    this.ladders.forget(attempt);
  }

  private folder(attempt: string): AttemptFolder {
    return new AttemptFolder(this.options.attempts, attempt);
  }

  private async move(attempt: string): Promise<Observation> {
    const folder = this.folder(attempt);
    refuseOthers(folder, this.options.node);
    if (!folder.isThere()) return this.withoutFolder(attempt);
    const known = folder.exit();
    if (known !== undefined) return { state: "exited", exit: known };
    const launch = folder.read<Launch>("launch.json");
    if (launch === undefined) return { state: "lost" };
    if (folder.read("container.json") === undefined) {
      const prepared = await this.preparation.observe(launch);
      if (prepared.state === "exited" && prepared.exit.code !== 0) return this.ended(folder, prepared.exit);
      if (prepared.state !== "exited") return prepared;
      if (folder.stop() !== undefined)
        return this.ended(folder, { code: null, signal: "SIGTERM", at: now() });
      if (launch.folder !== folder.path) return this.ended(folder, movedBefore(launch, folder));
      const refused = await this.create(launch, folder);
      if (refused !== undefined) return this.ended(folder, refused);
    }
    return this.inspect(attempt, folder);
  }

  /** Nothing that its container makes goes anywhere: it is ended, and nothing is written into what stands there now. */
  private async withoutFolder(attempt: string): Promise<Observation> {
    if (!existsSync(this.options.attempts))
      throw new EngineAway(`${this.options.attempts} is not there: it was removed, or its disk is away`);
    if ((await this.find(attempt)) === undefined) return { state: "lost" };
    await this.signal(attempt, "SIGKILL");
    const message =
      "the folder of the attempt is no longer there: somebody removed it or put something in its place while the worker ran";
    return { state: "lost", message };
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
      if (error instanceof EngineAway || status === undefined || status >= 500) throw error;
      const message = `${launch.image}: ${error instanceof Error ? error.message : error}`;
      return { code: 127, signal: null, at: now(), reason: "dispatch_failed", message };
    }
  }

  private async inspect(attempt: string, folder: AttemptFolder): Promise<Observation> {
    const seen = await this.find(attempt);
    if (seen === undefined) return { state: "lost" };
    if (!this.isOurs(seen.Config.Labels)) return this.ended(folder, taken(attempt, seen.Config.Labels));
    const container = this.docker.getContainer(seen.Id);
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

  private climb(attempt: string, folder: AttemptFolder): void {
    const runs = async () => (await this.observe(attempt)).state === "running";
    this.ladders.begin(attempt, folder, runs, () => this.signal(attempt, "SIGKILL"));
  }

  /** One that is not there or does not run needs no signal. */
  private async signal(attempt: string, name: string): Promise<void> {
    const seen = await this.find(attempt);
    if (seen !== undefined && this.isOurs(seen.Config.Labels))
      await ignoring([404, 409, 500], () => this.docker.getContainer(seen.Id).kill({ signal: name }));
  }

  /** The container of an attempt's name, whosever it is. */
  private find(attempt: string): Promise<Docker.ContainerInspectInfo | undefined> {
    return ignoring([404], () => this.docker.getContainer(attempt).inspect());
  }

  /** Names of containers are one list for all who use the engine: only what bears our labels is ours. */
  private isOurs(labels: Record<string, string> | null | undefined): boolean {
    const { workspace, formerly } = this.options;
    const attempt = labels?.[label.attempt];
    if (!labels || !attempt || ![workspace, formerly].includes(labels[label.workspace])) return false;
    // A copied workspace has the name of the original, whose containers they are.
    if (this.folder(attempt).isCopy()) return false;
    // Those of older programs name no node: they were one agent a workspace.
    return (labels[label.node] ?? this.options.node) === this.options.node;
  }
}

/** What it was to be started with names paths of before, where Docker would make empty folders. */
function movedBefore({ folder: before }: Launch, { path }: AttemptFolder): Exit {
  const message = `the workspace was moved before its container began: ${before} is ${path} now`;
  return { code: 127, signal: null, at: now(), reason: "dispatch_failed", message };
}

function taken(attempt: string, labels: Record<string, string> | null | undefined): Exit {
  const whose = labels?.[label.attempt]
    ? `workspace ${labels[label.workspace]}, node ${labels[label.node] ?? "unknown"}`
    : "somebody else";
  const message = `there is a container ${attempt} of ${whose}; this one was not started`;
  return { code: 127, signal: null, at: now(), reason: "dispatch_failed", message };
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

/** @throws EngineAway when nobody answers */
async function answered<T>(call: () => Promise<T>, again = true): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (statusOf(error) !== undefined) throw error;
    // A connection kept from before a restart of the daemon; every call of ours may be made twice.
    if (again && ["EPIPE", "ECONNRESET"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return answered(call, false);
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineAway(`Docker or Podman does not answer: ${why}`, { cause: error });
  }
}

async function ignoring<T>(statuses: number[], call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await answered(call);
  } catch (error) {
    if (statuses.includes(statusOf(error) ?? 0)) return undefined;
    throw error;
  }
}

function now(): string {
  return new Date().toISOString();
}
