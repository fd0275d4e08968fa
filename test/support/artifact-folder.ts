import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const hash = (data: Uint8Array | string) => createHash("sha256").update(data).digest("hex");

/** Writes an artifact as a worker does. `content` is the hash of an output, `manifest` that of a checkpoint. */
export function writeArtifact(
  folder: string,
  files: Record<string, Buffer>,
): { content: string; manifest: string } {
  const listed = Object.entries(files).map(([path, data]) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), data);
    return { path, size: data.length, sha256: hash(data) };
  });
  const lines = listed.map((file) => `${file.path} ${file.size} ${file.sha256}\n`).sort();
  const content = hash(lines.join(""));
  const text = JSON.stringify({ version: 1, sha256: content, files: listed });
  writeFileSync(join(folder, "manifest.json"), text);
  return { content, manifest: hash(text) };
}
