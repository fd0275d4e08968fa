import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SeedResult } from "./run-seed.ts";

/** Keeps what the processes of a seed said. @returns the folder */
export function keepLogs({ seed, logs }: SeedResult): string {
  const folder = mkdtempSync(join(tmpdir(), `legalone-chaos-seed-${seed}-`));
  for (const [name, log] of Object.entries(logs)) writeFileSync(join(folder, name), log);
  return folder;
}
