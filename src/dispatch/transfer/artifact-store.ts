import { existsSync, readdirSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Log } from "../../core/log.ts";
import { isHash } from "../../core/places.ts";
import { type Removable, removeFrom } from "../../core/removal.ts";
import { Arriving } from "./arriving.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { inSlices, type Manifest, naming, parsing, Refused, readManifestInSlices } from "./manifest.ts";
import { WrongBytes } from "./part-file.ts";

/** An answer to a transfer that is no success. `statusCode` is that of HTTP. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Manifests of uploads that are held at once. */
const mostBegun = 16;

/** What serve has of an upload: of each file of the manifest the bytes it has, null for one that is whole. */
export interface UploadState {
  committed: boolean;
  have: (number | null)[];
}

/**
 * The artifacts that other machines brought here: `<workspace>/artifacts/<sha256>`, beside those that agents of this
 * workspace committed. Uploads of one attempt are below `.uploads/<attempt>`, so that two attempts that make the same
 * content do not write to one file; whichever is whole first takes the place.
 */
export class ArtifactStore {
  private readonly artifacts: string;
  private readonly uploads: string;
  private readonly receiving = new Map<string, { cancel: AbortController; over: Promise<unknown> }>();
  /** Uploads whose manifest need not be read again for each of its files. */
  private readonly begun = new Map<string, Arriving>();
  /** Held while a hash gets its place or a row, and while its bytes are removed. */
  readonly lock = new KeyedLock();
  private readonly home: string;
  private readonly log: Log;

  constructor(home: string, log: Log) {
    this.home = home;
    this.log = log;
    this.artifacts = join(home, "artifacts");
    this.uploads = join(this.artifacts, ".uploads");
  }

  folder(sha256: string): string {
    return join(this.artifacts, sha256);
  }

  has(sha256: string): boolean {
    return existsSync(join(this.folder(sha256), "manifest.json"));
  }

  /** Begins an upload, or goes on with it. @throws TransferError 422 for a manifest that the hash does not name */
  async begin(attempt: string, sha256: string, raw: Buffer): Promise<UploadState> {
    if (this.has(sha256)) return { committed: true, have: [] };
    const manifest = await checked(raw, sha256);
    const upload = this.arriving(attempt, sha256, manifest);
    await filling(() => inSlices(upload.beginning(manifest)));
    this.begun.set(`${attempt} ${sha256}`, upload);
    if (this.begun.size > mostBegun) this.begun.delete([...this.begun.keys()][0]!);
    return { committed: false, have: await inSlices(upload.have()) };
  }

  /** Takes bytes of a file from `offset` on, and returns what is there then. A newer request ends an older one. */
  async receive(
    attempt: string,
    sha256: string,
    { index, offset }: { index: number; offset: number },
    bytes: Readable,
  ): Promise<{ have: number | null }> {
    const upload = await this.open(attempt, sha256);
    if (index >= upload.files.length) throw new TransferError(404, `no file ${index} in the manifest`);
    const key = `${attempt} ${sha256} ${index}`;
    const older = this.receiving.get(key);
    const cancel = new AbortController();
    const over = (async () => {
      older?.cancel.abort();
      await older?.over.catch(() => {});
      if (upload.isDone(index)) return { have: null };
      const file = upload.file(index);
      if (offset > file.have()) throw new TransferError(416, `${file.have()} bytes are here, not ${offset}`);
      // A cut connection may look alive from here: its request must not keep the next one waiting.
      cancel.signal.addEventListener("abort", () =>
        bytes.destroy(new TransferError(408, "the file is being sent anew")),
      );
      const whole = await filling(() => file.take(bytes, offset));
      return { have: whole ? null : file.have() };
    })();
    this.receiving.set(key, { cancel, over });
    try {
      return await over;
    } finally {
      if (this.receiving.get(key)?.over === over) this.receiving.delete(key);
    }
  }

  /** Puts a whole upload in its place; doing it twice is harmless. @throws TransferError 412 while bytes are missing */
  commit(attempt: string, sha256: string): Promise<void> {
    return this.lock.hold(sha256, () => this.commitAlone(attempt, sha256));
  }

  private async commitAlone(attempt: string, sha256: string): Promise<void> {
    if (this.has(sha256)) {
      await this.drop({ uploadOf: attempt, sha256 });
    } else {
      const upload = await this.open(attempt, sha256);
      const { files: missing } = await inSlices(upload.missing());
      if (missing.length > 0)
        throw new TransferError(412, `not whole yet: ${missing.length} files, first ${missing[0]}`);
      await filling(() => upload.finish());
      await this.drop({ uploadOf: attempt, sha256 });
    }
    // Others of the same attempt may still be on their way.
    await rmdir(join(this.uploads, attempt)).catch(() => {});
  }

  /** Attempts that have something half uploaded. */
  uploading(): string[] {
    return existsSync(this.uploads) ? readdirSync(this.uploads) : [];
  }

  /** Forgets what an attempt uploaded and did not commit. */
  async sweep(attempt: string): Promise<void> {
    await this.drop({ uploadOf: attempt });
  }

  /** Removes a committed artifact: out of its place at once, its bytes after that. */
  async remove(sha256: string): Promise<void> {
    await this.drop({ sha256 });
  }

  private async drop(what: Removable): Promise<void> {
    await removeFrom(this.home, what, { warn: (message, fields) => this.log.warn(message, fields) });
  }

  private async open(attempt: string, sha256: string): Promise<Arriving> {
    const folder = join(this.uploads, attempt, sha256, "files");
    if (!existsSync(folder)) throw new TransferError(412, "no upload of it was begun");
    return (
      this.begun.get(`${attempt} ${sha256}`) ??
      this.arriving(attempt, sha256, await readManifestInSlices(folder))
    );
  }

  private arriving(attempt: string, sha256: string, manifest: Manifest): Arriving {
    return new Arriving(join(this.uploads, attempt, sha256), this.folder(sha256), manifest);
  }
}

async function checked(raw: Buffer, sha256: string): Promise<Manifest> {
  try {
    const manifest = await inSlices(parsing(raw));
    if (isHash(sha256) && (await inSlices(naming(manifest, sha256)))) return manifest;
  } catch (error) {
    if (error instanceof Refused) throw new TransferError(422, error.message);
    throw error;
  }
  throw new TransferError(422, `neither the manifest nor what it names hashes to ${sha256}`);
}

/**
 * Names what may go wrong while bytes come. A full disk is told as such (507): the sender waits and tries again. What is
 * committed is not touched.
 */
async function filling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new TransferError(507, `the disk of the control plane is full: ${(error as Error).message}`);
    if (code === "ECONNRESET") throw new TransferError(408, "the connection was cut");
    if (error instanceof WrongBytes) throw new TransferError(422, error.message);
    throw error;
  }
}
