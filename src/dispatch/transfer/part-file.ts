import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { checkRoom, sizeOf, syncFile } from "./durable.ts";
import type { ManifestFile } from "./manifest.ts";

/** The bytes that came are not those of the manifest; the part is gone and may be sent again from its beginning. */
export class WrongBytes extends Error {
  override readonly name = "WrongBytes";
}

/** So much may come between two looks at the disk. */
const roomPiece = 1024 * 1024;

/**
 * A file on its way: bytes are appended to `part` as they come; once all are there and hash to what the manifest says,
 * it is on disk and takes its place. What a cut connection leaves is gone on with.
 */
export class PartFile {
  private readonly part: string;
  private readonly target: string;
  private readonly file: ManifestFile;

  constructor(part: string, target: string, file: ManifestFile) {
    this.part = part;
    this.target = target;
    this.file = file;
  }

  isDone(): boolean {
    return sizeOf(this.target) === this.file.size;
  }

  /** Bytes that are here already. */
  have(): number {
    return Math.min(sizeOf(this.part) ?? 0, this.file.size);
  }

  /**
   * Takes bytes from `offset` (at most have()) on. Returns true when the file is complete and in its place, false when
   * bytes are still missing. Nothing is held in memory.
   * @throws WrongBytes; whatever `bytes` throws, with what came before it kept
   */
  async take(bytes: AsyncIterable<Buffer>, offset: number): Promise<boolean> {
    const hash = createHash("sha256");
    if (offset > 0) await addTo(hash, this.part, offset);
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const handle = await open(this.part, O_RDWR | O_NOFOLLOW | (offset === 0 ? O_CREAT : 0));
    let at = offset;
    let unchecked = 0;
    try {
      await handle.truncate(offset);
      checkRoom(dirname(this.part), Math.min(roomPiece, this.file.size - offset));
      for await (const chunk of bytes) {
        // Others fill the disk too: looked at again and again, not only when the upload begins.
        unchecked += chunk.length;
        if (unchecked >= roomPiece) {
          checkRoom(dirname(this.part), unchecked);
          unchecked = 0;
        }
        if (at + chunk.length > this.file.size)
          this.refuse(`more than the ${this.file.size} bytes of its manifest`);
        hash.update(chunk);
        await writeAll(handle, chunk, at);
        at += chunk.length;
      }
    } finally {
      await handle.close();
    }
    if (at < this.file.size) return false;
    const seen = hash.digest("hex");
    if (seen !== this.file.sha256)
      this.refuse(`its SHA-256 is ${seen}, its manifest says ${this.file.sha256}`);
    await syncFile(this.part);
    renameSync(this.part, this.target);
    return true;
  }

  private refuse(why: string): never {
    rmSync(this.part, { force: true });
    throw new WrongBytes(`${this.file.path}: ${why}`);
  }
}

async function addTo(hash: Hash, path: string, bytes: number): Promise<void> {
  for await (const chunk of createReadStream(path, { end: bytes - 1 })) hash.update(chunk as Buffer);
}

async function writeAll(handle: FileHandle, chunk: Buffer, at: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, at + done);
    done += bytesWritten;
  }
}
