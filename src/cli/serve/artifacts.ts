import { pathToFileURL } from "node:url";
import type { Log } from "../../core/log.ts";
import type { ArtifactPort } from "../../dispatch/api/artifact-routes.ts";
import type { EventBatch, EventLine } from "../../dispatch/api/contract.ts";
import { ArtifactStore, TransferError } from "../../dispatch/transfer/artifact-store.ts";
import { storedHash } from "../../dispatch/transfer/artifact-uri.ts";
import type { Database } from "../../records/database.ts";
import {
  artifactPlace,
  goneCheckpoints,
  isKept,
  isLiveAttempt,
  liveOf,
} from "../../records/stored-artifacts.ts";
import { workspaceId } from "../workspace-id.ts";

/** Artifacts between machines: the store of serve's workspace, and the rows that name what lies in it. */
export class Artifacts implements ArtifactPort {
  readonly store: ArtifactStore;
  /** Names this workspace: an agent that finds the same name in its folder shares it. */
  readonly workspace: string;
  readonly #database: Database;

  constructor(database: Database, home: string) {
    this.#database = database;
    this.store = new ArtifactStore(home);
    this.workspace = workspaceId(home);
  }

  async find(sha256: string): Promise<string | undefined> {
    return this.store.has(sha256) ? this.store.folder(sha256) : artifactPlace(this.#database, sha256);
  }

  isLive(attempt: string, epoch: number): Promise<boolean> {
    return isLiveAttempt(this.#database, attempt, epoch);
  }

  /**
   * Hands a batch on with the addresses that rows hold: what a far agent uploaded lies in this workspace. Until the rows
   * are written nothing removes it.
   * @throws TransferError 424 when something is not here: the agent uploads it again
   */
  async housed<T>(batch: EventBatch, work: (batch: EventBatch) => Promise<T>): Promise<T> {
    // Each once and in order, so that two batches never wait for each other.
    const hashes = [...new Set(batch.lines.flatMap(({ uri }) => storedHash(uri) ?? []))].sort();
    if (hashes.length === 0) return work(batch);
    const locked = hashes.reduce<() => Promise<T>>(
      (inner, sha256) => () => this.store.lock.hold(sha256, inner),
      () => work({ ...batch, lines: batch.lines.map((line) => this.#housed(line)) }),
    );
    return locked();
  }

  /** Removes the bytes of checkpoints that the records mark as gone and that no other row names. */
  async dropPruned(attempt: string): Promise<void> {
    for (const sha256 of await goneCheckpoints(this.#database, attempt)) {
      if (!this.store.has(sha256)) continue;
      await this.store.lock.hold(sha256, async () => {
        if (!(await isKept(this.#database, sha256))) await this.store.remove(sha256);
      });
    }
  }

  /** Sweeps now and then. */
  sweepEvery(ms: number, log: Log): NodeJS.Timeout {
    const sweep = () =>
      void this.sweep().catch((error: unknown) => log.warn("half uploads were not swept", { error }));
    sweep();
    return setInterval(sweep, ms);
  }

  /** Forgets half uploads of attempts that have ended. */
  async sweep(): Promise<void> {
    const attempts = this.store.uploading();
    if (attempts.length === 0) return;
    const live = await liveOf(this.#database, attempts);
    for (const attempt of attempts) if (!live.has(attempt)) await this.store.sweep(attempt);
  }

  #housed(line: EventLine): EventLine {
    const sha256 = storedHash(line.uri);
    if (sha256 === undefined) return line;
    if (!this.store.has(sha256)) throw new TransferError(424, `${sha256} is not here: upload it first`);
    return { ...line, uri: pathToFileURL(this.store.folder(sha256)).href };
  }
}
