import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { openFile } from "../../../core/whole-file.ts";
import { sizeOf } from "../../transfer/durable.ts";
import { type ManifestFile, Refused, readManifest } from "../../transfer/manifest.ts";
import { ServeAway, ServeRefuses } from "../serve-client.ts";
import { type ArtifactClient, lanes, type Sender } from "./artifact-client.ts";
import { inLanes } from "./lanes.ts";

/**
 * Brings an artifact to serve's store, going on where an earlier try was cut. When it returns, serve has committed all
 * bytes. Returns how many were sent.
 * @throws Refused when a file here is not what the manifest says; ServeAway when a later try may do
 */
export async function upload(
  client: ArtifactClient,
  sender: Sender,
  { folder, sha256 }: { folder: string; sha256: string },
  signal: AbortSignal,
): Promise<number> {
  const { raw, files } = readManifest(folder);
  const { committed, have } = await client.begin(sender, sha256, raw, signal);
  if (committed) return 0;
  let sent = 0;
  await inLanes(files.length, lanes, async (index) => {
    const offset = have[index];
    if (offset === null || offset === undefined) return;
    const file = files[index]!;
    const path = join(folder, file.path);
    if (sizeOf(path) !== file.size)
      throw new Refused(`${file.path} has not the ${file.size} bytes of its manifest`);
    const bytes = file.size - offset;
    try {
      await client.send(
        sender,
        sha256,
        { index, offset, bytes },
        createReadStream("", { fd: openFile(path), start: offset }),
        signal,
      );
    } catch (error) {
      if (error instanceof ServeRefuses && error.status === 422) await judge(path, file, error);
      throw error;
    }
    sent += bytes;
  });
  await client.commit(sender, sha256, signal);
  return sent;
}

/** Serve got other bytes than the manifest names: the fault is this machine's file, or lies on the way. */
async function judge(path: string, file: ManifestFile, refusal: ServeRefuses): Promise<never> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream("", { fd: openFile(path) })) hash.update(chunk as Buffer);
  const seen = hash.digest("hex");
  if (seen !== file.sha256)
    throw new Refused(`${file.path} hashes to ${seen}, its manifest says ${file.sha256}`);
  throw new ServeAway(`${file.path} arrived damaged: ${refusal.message}`);
}
