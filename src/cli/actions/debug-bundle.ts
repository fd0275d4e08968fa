import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { execa } from "execa";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { redactValues } from "../../core/redact.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { bytes } from "../../views/format.ts";
import { jsonLines } from "../../views/status-json.ts";
import { bundleFiles } from "../debug/bundle-files.ts";
import { secretsOf } from "../debug/secrets.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";

export interface BundleOptions {
  json?: boolean;
  output?: string;
}

/**
 * Packs what a bug report about a run needs into one file, secrets redacted.
 * @throws E_CONFLICT when the file exists; E_SETUP without `tar`
 */
export async function debugBundle(name: string | undefined, options: BundleOptions): Promise<void> {
  const home = workspace();
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, name));
    const folder = `legalone-${detail.run.id}`;
    const output = resolve(options.output ?? `${folder}.tar.gz`);
    if (existsSync(output))
      throw new LegaloneError("E_CONFLICT", `${output} exists.`, { hint: "Name another file with -o." });
    const secrets = secretsOf(detail.run, home);
    let files = 0;
    const staging = mkdtempSync(join(tmpdir(), "legalone-bundle-"));
    try {
      for await (const [path, text] of bundleFiles(db, home, detail)) {
        const file = join(staging, folder, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, "", { mode: 0o600 });
        for await (const piece of typeof text === "string" ? [text] : text)
          appendFileSync(file, redactValues(piece, secrets));
        files++;
      }
      await pack(staging, folder, output);
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
    const size = statSync(output).size;
    if (options.json) print(jsonLines([{ type: "bundle", run: detail.run.id, path: output, files, size }]));
    else
      print(
        `${output}  ${files} files, ${bytes(size)}\nKnown secrets are redacted; look it through before you send it: tar -tzf ${output}`,
      );
  });
}

/** The `tar` that every Linux and macOS has. */
async function pack(from: string, folder: string, output: string): Promise<void> {
  mkdirSync(dirname(output), { recursive: true });
  // Nobody else may read it, nor have made it: whatever the umask, and through no link.
  closeSync(openSync(output, "wx", 0o600));
  const { failed, stderr, cause } = await execa("tar", ["-czf", output, "-C", from, folder], {
    reject: false,
  });
  if (!failed) return;
  rmSync(output, { force: true });
  const missing = (cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
  if (missing)
    throw new LegaloneError("E_SETUP", "There is no `tar` to pack with.", { hint: "Install tar." });
  throw new LegaloneError("E_DATA", `tar cannot write ${output}: ${stderr || cause}`);
}
