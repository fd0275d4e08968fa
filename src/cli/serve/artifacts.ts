import type { Log } from "../../core/log.ts";
import { claimingAttempts, claimPlace, isHash, releaseClaims } from "../../core/places.ts";
import { workspaceId } from "../../core/workspace-note.ts";
import type { ArtifactPort } from "../../dispatch/api/artifact-routes.ts";
import type { EventBatch } from "../../dispatch/api/contract.ts";
import { ArtifactStore, TransferError } from "../../dispatch/transfer/artifact-store.ts";
import type { Database } from "../../records/database.ts";
import {
  artifactFolder,
  goneCheckpoints,
  isFarAttempt,
  isKept,
  liveOf,
  mayUpload,
} from "../../records/stored-artifacts.ts";

/** Artifacts between machines: the store of serve's workspace, and the rows that name what lies in it. */
export class Artifacts implements ArtifactPort {
  readonly store: ArtifactStore;
  /** Names this workspace: an agent that finds the same name in its folder shares it. */
  readonly workspace: string;
  readonly #database: Database;
  readonly #home: string;

  constructor(database: Database, home: string, log: Log) {
    this.#database = database;
    this.#home = home;
    this.store = new ArtifactStore(home, log);
    this.workspace = workspaceId(home);
  }

  async find(sha256: string): Promise<string | undefined> {
    return this.store.has(sha256)
      ? this.store.folder(sha256)
      : artifactFolder(this.#database, this.#home, sha256);
  }

  mayUpload(attempt: string, epoch: number, instance: string | undefined): Promise<boolean> {
    return mayUpload(this.#database, attempt, epoch, instance);
  }

  /**
   * Takes a batch into the records, with what it announces here: a far agent has uploaded that before. Until the rows are
   * written nothing removes it.
   * @throws TransferError 424 when something is not here: the agent uploads it again
   */
  async housed<T>(attempt: string, batch: EventBatch, work: () => Promise<T>): Promise<T> {
    const announced = batch.lines.filter(({ type }) => type === "artifact" || type === "checkpoint");
    if (announced.length === 0 || !(await isFarAttempt(this.#database, attempt))) return work();
    // Each once and in order, so that two batches never wait for each other.
    const hashes = [...new Set(announced.map(({ sha256 }) => sha256).filter(isHash))].sort();
    for (const sha256 of hashes) claimPlace(this.#home, sha256, attempt);
    const locked = hashes.reduce<() => Promise<T>>(
      (inner, sha256) => () => this.store.lock.hold(sha256, inner),
      () => {
        const missing = hashes.find((sha256) => !this.store.has(sha256));
        if (missing !== undefined) throw new TransferError(424, `${missing} is not here: upload it first`);
        return work();
      },
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

  /** Forgets half uploads and notes of attempts that have ended. */
  async sweep(): Promise<void> {
    const attempts = [...this.store.uploading(), ...claimingAttempts(this.#home)];
    if (attempts.length === 0) return;
    const live = await liveOf(this.#database, attempts);
    for (const attempt of attempts) if (!live.has(attempt)) await this.forget(attempt);
  }

  /** An attempt has ended: what it did not upload to the end it never will. */
  async forget(attempt: string): Promise<void> {
    await this.store.sweep(attempt);
    releaseClaims(this.#home, attempt);
  }
}
