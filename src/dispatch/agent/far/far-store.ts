import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LegaloneError } from "../../../core/errors.ts";
import { sha256 as hashOf } from "../../../core/hash.ts";
import type { Log } from "../../../core/log.ts";
import { storedHash } from "../../../core/places.ts";
import { removeFrom } from "../../../core/removal.ts";
import { warning } from "../../../worker/protocol.ts";
import type { EventLine, LaunchSpec } from "../../api/contract.ts";
import { Refused, readRaw } from "../../transfer/manifest.ts";
import { announcedFolder, asRefused, checkpoint, commit, refusal } from "../outputs.ts";
import { ServeRefuses } from "../serve-client.ts";
import type { ArtifactClient, Sender } from "./artifact-client.ts";
import { download } from "./download.ts";
import { hold } from "./snapshot.ts";
import { upload } from "./upload.ts";

export interface FarStoreOptions {
  client: ArtifactClient;
  /** Folder of this machine's workspace. */
  home: string;
  /** Where `models://NAME` lies on this machine. */
  models: string;
  log: Log;
}

/** What serve answers for an artifact that it has and that is damaged; one that it does not have is a 404. */
const damagedThere = 410;

interface Named {
  kind?: string;
  uri?: string;
  stage?: string | null;
}

interface Point {
  uri: string;
  step: number;
}

/** Artifacts of an agent whose folder is not serve's: fetched before a start, uploaded before their line is posted. */
export class FarStore {
  private readonly options: FarStoreOptions;
  private readonly fetching = new Map<string, Promise<string>>();

  constructor(options: FarStoreOptions) {
    this.options = options;
  }

  /**
   * The launch with every input on this machine, and warnings of the checkpoints that are damaged where serve keeps them:
   * a worker here sees only that they are missing.
   * @throws LegaloneError E_NODE for a model this machine does not have
   */
  async bring(spec: LaunchSpec, signal: AbortSignal): Promise<{ spec: LaunchSpec; warnings: EventLine[] }> {
    const { inputs = [], resume } = spec.job as {
      inputs?: Named[];
      resume?: (Point & { older?: Point[] }) | null;
    };
    const brought: Named[] = [];
    const warnings: EventLine[] = [];
    for (const input of inputs) brought.push({ ...input, uri: await this.local(spec, input, signal) });
    const job: Record<string, unknown> = { ...spec.job, inputs: brought };
    if (resume) {
      const { older, ...newest } = resume;
      const { placed, damaged } = await this.points(spec, [newest, ...(older ?? [])], signal);
      const [first, ...others] = placed;
      job.resume = { ...first, ...(older && { older: others }) };
      warnings.push(...damaged);
    }
    return { spec: { ...spec, job }, warnings };
  }

  /**
   * What settle() of outputs.ts does on one machine, for two: an output goes to its place here and then to serve's store,
   * a checkpoint is held while it is sent.
   */
  async settle(line: EventLine, folder: string, sender: Sender, signal: AbortSignal): Promise<EventLine> {
    if (line.type !== "artifact" && line.type !== "checkpoint") return line;
    const { path, sha256 } = line as EventLine & { path: string; sha256: string };
    const { home } = this.options;
    try {
      const from = announcedFolder(line, folder, home);
      if (line.type === "artifact") {
        await this.send(sender, commit(from, sha256, this.options.home, sender.attempt), sha256, signal);
      } else {
        const held = join(folder, ".uploading", sha256);
        if (!existsSync(from) && !existsSync(held)) return skipped(path);
        await this.send(
          sender,
          checkpoint(await hold(home, sender.attempt, from, sha256), sha256),
          sha256,
          signal,
        );
        await removeFrom(this.options.home, { heldBy: sender.attempt, sha256 }, this.options.log);
      }
      return line;
    } catch (error) {
      // The worker removed it between two looks.
      if (line.type === "checkpoint" && !existsSync(join(folder, path)) && isGone(error))
        return skipped(path);
      return refusal(line, asRefused(error));
    }
  }

  private async send(sender: Sender, folder: string, sha256: string, signal: AbortSignal): Promise<void> {
    const { client, log } = this.options;
    const began = Date.now();
    try {
      const bytes = await upload(client, sender, { folder, sha256 }, signal);
      if (bytes > 0) log.info("uploaded", { attempt: sender.attempt, sha256, bytes, ms: Date.now() - began });
    } catch (error) {
      if (!signal.aborted) log.warn("an upload stopped", { attempt: sender.attempt, sha256, error });
      throw error;
    }
  }

  /** The file:// address of an input on this machine. */
  private async local({ attempt }: LaunchSpec, input: Named, signal: AbortSignal): Promise<string> {
    const { uri = "", kind = "checkpoint" } = input;
    const sha256 = storedHash(uri);
    if (sha256 !== undefined) return pathToFileURL(await this.fetched(attempt, kind, sha256, signal)).href;
    const { models } = this.options;
    const place = uri.startsWith("models://")
      ? pathToFileURL(join(models, uri.slice("models://".length))).href
      : uri;
    if (place.startsWith("file://") && existsSync(new URL(place))) return place;
    throw new LegaloneError(
      "E_NODE",
      `the input ${kind} comes from outside the run and is not on this node: ${place}`,
      {
        hint: "Put it there, or name the folder of models in LEGALONE_MODELS of this agent.",
      },
    );
  }

  /** Attempts that need the same input wait for one transfer. */
  private fetched(attempt: string, kind: string, sha256: string, signal: AbortSignal): Promise<string> {
    const other = this.fetching.get(sha256);
    if (other !== undefined) return other;
    const { client, home, log } = this.options;
    const began = Date.now();
    const begun = (bytes: number) => log.info("fetching", { attempt, kind, sha256, bytes });
    const own = download(client, sha256, home, log, signal, begun)
      .then(({ folder, bytes }) => {
        if (bytes > 0) log.info("fetched", { attempt, kind, sha256, bytes, ms: Date.now() - began });
        return folder;
      })
      .finally(() => this.fetching.delete(sha256));
    this.fetching.set(sha256, own);
    return own;
  }

  /**
   * Checkpoints in the order the worker looks at them. The first that can be had is brought; older ones are named where
   * they would be, so that the worker says of each that it is not there.
   */
  private async points(
    spec: LaunchSpec,
    points: Point[],
    signal: AbortSignal,
  ): Promise<{ placed: Point[]; damaged: EventLine[] }> {
    const { home, log } = this.options;
    const placed: Point[] = [];
    const damaged: EventLine[] = [];
    let found = false;
    for (const point of points) {
      const sha256 = storedHash(point.uri);
      let uri =
        sha256 === undefined
          ? point.uri
          : (this.own(spec, point) ?? pathToFileURL(join(home, "artifacts", sha256)).href);
      try {
        if (!found && !existsSync(new URL(uri))) uri = await this.local(spec, point, signal);
        found = true;
      } catch (error) {
        if (!(error instanceof ServeRefuses)) throw error;
        log.warn("a checkpoint cannot be had", { attempt: spec.attempt, step: point.step, error });
        if (error.status === damagedThere) damaged.push(damage(point, error));
      }
      placed.push({ ...point, uri });
    }
    return { placed, damaged };
  }

  /** A checkpoint that an earlier attempt of the same shard left on this machine. */
  private own({ attempt }: LaunchSpec, { uri, step }: Point): string | undefined {
    const attempts = join(this.options.home, "attempts");
    const shard = attempt.replace(/-e\d+$/, "-e");
    if (!existsSync(attempts)) return undefined;
    for (const name of readdirSync(attempts).filter((other) => other.startsWith(shard))) {
      const folder = join(attempts, name, `step-${step}`);
      const manifest = join(folder, "manifest.json");
      if (existsSync(manifest) && hashOf(readRaw(folder)) === storedHash(uri))
        return pathToFileURL(folder).href;
    }
    return undefined;
  }
}

/** As a worker says it that finds the damage itself, so that the records give that checkpoint up. */
function damage({ uri, step }: Point, { message }: Error): EventLine {
  const line = warning("checkpoint_damaged", `the checkpoint of step ${step} is damaged: ${message}`);
  return { ...line, checkpoint: storedHash(uri) };
}

function isGone(error: unknown): boolean {
  return error instanceof Refused || (error as NodeJS.ErrnoException).code === "ENOENT";
}

function skipped(path: string): EventLine {
  const message = `checkpoint ${path} was removed by its worker before it could be uploaded; a newer one follows`;
  return warning("checkpoint_skipped", message);
}
