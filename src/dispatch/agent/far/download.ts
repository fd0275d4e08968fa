import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Removal, removeFrom } from "../../../core/removal.ts";
import { Arriving } from "../../transfer/arriving.ts";
import { isNamedBy, parseManifest } from "../../transfer/manifest.ts";
import { WrongBytes } from "../../transfer/part-file.ts";
import { ServeAway, ServeRefuses } from "../serve-client.ts";
import { type ArtifactClient, lanes } from "./artifact-client.ts";
import { inLanes } from "./lanes.ts";

/**
 * Brings a committed artifact to artifacts/<sha256> of this machine's workspace, every file checked against the manifest and the
 * manifest against the hash; goes on where an earlier try was cut. Returns the folder and the bytes that came.
 * @throws ServeAway when a later try may do; ServeRefuses when serve does not have it; ENOSPC
 */
export async function download(
  client: ArtifactClient,
  sha256: string,
  home: string,
  { warn }: Removal,
  signal: AbortSignal,
  begun: (bytes: number) => void = () => {},
): Promise<{ folder: string; bytes: number }> {
  const artifacts = join(home, "artifacts");
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
    const left = manifest.files[index]!.size - arriving.file(index).have();
    try {
      await fetchFile(client, sha256, index, arriving, signal);
    } catch (error) {
      if (!(error instanceof WrongBytes)) throw error;
      // The beginning may be from an earlier try, or the line was bad; twice, it is what serve has.
      await fetchFile(client, sha256, index, arriving, signal).catch((again: unknown) => {
        if (!(again instanceof WrongBytes)) throw again;
        throw new ServeRefuses(410, `what serve has is not what was committed: ${sha256}, ${again.message}`);
      });
    }
    bytes += left;
  });
  await arriving.finish();
  await removeFrom(home, { fetched: sha256 }, { warn });
  return { folder: place, bytes };
}

async function fetchFile(
  client: ArtifactClient,
  sha256: string,
  index: number,
  arriving: Arriving,
  signal: AbortSignal,
): Promise<void> {
  const file = arriving.file(index);
  const offset = file.have();
  const whole = await file.take(await client.file(sha256, index, offset, signal), offset);
  if (!whole) throw new ServeAway(`file ${index} of ${sha256} ended early`);
}
