import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Arriving } from "../../transfer/arriving.ts";
import { isNamedBy, parseManifest } from "../../transfer/manifest.ts";
import { WrongBytes } from "../../transfer/part-file.ts";
import { ServeAway, ServeRefuses } from "../serve-client.ts";
import { type ArtifactClient, lanes } from "./artifact-client.ts";
import { inLanes } from "./lanes.ts";

/**
 * Brings a committed artifact to <artifacts>/<sha256> of this machine, every file checked against the manifest and the
 * manifest against the hash; goes on where an earlier try was cut. Returns the folder and the bytes that came.
 * @throws ServeAway when a later try may do; ServeRefuses when serve does not have it; ENOSPC
 */
export async function download(
  client: ArtifactClient,
  sha256: string,
  artifacts: string,
  signal: AbortSignal,
  begun: (bytes: number) => void = () => {},
): Promise<{ folder: string; bytes: number }> {
  const place = join(artifacts, sha256);
  if (existsSync(place)) return { folder: place, bytes: 0 };
  mkdirSync(artifacts, { recursive: true });
  const manifest = parseManifest(await client.manifest(sha256, signal));
  if (!isNamedBy(manifest, sha256))
    throw new ServeRefuses(200, `serve sent a manifest that is not that of ${sha256}`);
  const arriving = new Arriving(join(artifacts, `.fetch-${sha256}`), place, manifest);
  arriving.begin(manifest);
  begun(arriving.missingBytes());
  let bytes = 0;
  await inLanes(manifest.files.length, lanes, async (index) => {
    if (arriving.isDone(index)) return;
    const file = arriving.file(index);
    const offset = file.have();
    try {
      const whole = await file.take(await client.file(sha256, index, offset, signal), offset);
      if (!whole) throw new ServeAway(`${manifest.files[index]!.path} of ${sha256} ended early`);
    } catch (error) {
      if (error instanceof WrongBytes) throw new ServeAway(`it arrived damaged: ${error.message}`);
      throw error;
    }
    bytes += manifest.files[index]!.size - offset;
  });
  await arriving.finish();
  return { folder: place, bytes };
}
