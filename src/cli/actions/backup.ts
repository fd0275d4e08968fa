import { existsSync, linkSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { ConnectionSpec } from "../../core/connections.ts";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { workspace } from "../../core/paths.ts";
import { placePath } from "../../core/places.ts";

import { knownWorkspaceId } from "../../core/workspace-note.ts";
import { dumpRecords } from "../../records/dump.ts";
import { belongsElsewhere } from "../../records/workspace.ts";
import { databaseSpec } from "../../services/addresses.ts";
import { readDaemon } from "../../services/daemon.ts";
import { withLock } from "../../services/lock.ts";
import { postgresStatus, startPostgres, stopPostgres } from "../../services/postgres.ts";
import { bytes, count } from "../../views/format.ts";
import {
  type BackupFile,
  copyHashed,
  filesBelow,
  hashFile,
  readManifest,
  verifyBackup,
  writeManifest,
} from "../backup-folder.ts";
import { version } from "../program.ts";
import { note, print } from "./output.ts";
import { Progress } from "./progress.ts";

/** Copies of the records that serve makes before it changes them: the newest of them stay. */
const keptBefore = 3;

export interface BackupOptions {
  artifacts: boolean;
  check: boolean;
  json?: boolean;
}

/** Writes the workspace into a folder, or checks one that was written. */
export async function backup(name: string, options: BackupOptions): Promise<void> {
  const to = resolve(name);
  if (options.check) return check(to, options);
  const there = statSync(to, { throwIfNoEntry: false });
  if (there !== undefined && (!there.isDirectory() || (await readdir(to)).length > 0))
    throw new LegaloneError(
      "E_BACKUP",
      `${to} ${there.isDirectory() ? "is not empty" : "is a file, expected a folder"}`,
      {
        hint: "Name a folder that is not there yet; with --check one that is.",
      },
    );
  const home = workspace();
  const progress = new Progress(options);
  const made = await withLock(join(home, "backup.lock"), () =>
    withDatabase(home, (spec) => writeBackup(spec, home, to, { ...options, progress })),
  );
  progress.end();
  for (const uri of made.missing) note(`not in the backup: ${uri} is not in the workspace`);
  if (options.json) print(JSON.stringify({ type: "backup", folder: to, ...made }));
  else
    print(
      `${to}  ${count(made.rows)} rows, ${made.files} files, ${bytes(made.bytes)}; read again, all hashes hold`,
    );
}

async function check(folder: string, options: BackupOptions): Promise<void> {
  const manifest = await readManifest(folder);
  const progress = new Progress(options);
  const total = sum(manifest.files);
  await verifyBackup(folder, manifest, (size) => progress.add("check", size, total));
  progress.end();
  const { madeAt, dump } = manifest;
  const told = {
    workspace: dump.workspace,
    migration: dump.migration,
    madeAt,
    artifacts: manifest.artifacts,
  };
  if (options.json)
    print(
      JSON.stringify({
        type: "backup",
        folder,
        ...told,
        files: manifest.files.length,
        bytes: total,
        ok: true,
      }),
    );
  else
    print(
      `${folder} is whole: workspace ${dump.workspace} at ${madeAt}, ${manifest.files.length} files, ${bytes(total)}${manifest.artifacts ? "" : ", records alone"}`,
    );
}

interface WriteOptions {
  artifacts: boolean;
  progress?: Progress;
}

/**
 * Writes a backup that appears whole or not at all: records of one moment, and what they name as it is in that moment. Linked
 * first, files that gc or a worker removes meanwhile are still there.
 */
async function writeBackup(
  spec: ConnectionSpec,
  home: string,
  to: string,
  { artifacts, progress }: WriteOptions,
): Promise<{
  workspace: string;
  migration: string;
  rows: number;
  files: number;
  bytes: number;
  missing: string[];
}> {
  const half = join(dirname(to), `.${basename(to)}.half`);
  const held = join(home, ".backup");
  await mkdir(dirname(to), { recursive: true });
  await refuseOthersHalf(half);
  for (const left of [half, held]) await rm(left, { recursive: true, force: true });
  const missing: string[] = [];
  try {
    await mkdir(half);
    const hold = async (rows: { uri: string }[]) => {
      for (const { uri } of artifacts ? rows : []) {
        const path = placePath(home, uri);
        if (path === undefined || !existsSync(path)) missing.push(uri);
        else holdFolder(path, join(held, relative(home, path)), await filesBelow(path));
      }
    };
    const dump = await dumpRecords(spec, half, {
      onRows: (done, about) => progress?.at("records", done, about),
      onPlaces: hold,
    });
    const id = knownWorkspaceId(home);
    if (dump.workspace !== null && dump.workspace !== id)
      throw belongsElsewhere(dump.workspace, { id, home });
    const files: BackupFile[] = [];
    for (const path of await filesBelow(half)) files.push(await hashFile(half, path));
    const paths = existsSync(held) ? await filesBelow(held) : [];
    const total = paths.reduce((size, path) => size + statSync(join(held, path)).size, 0);
    for (const path of paths) {
      const onBytes = (size: number) => progress?.add("files", size, total);
      files.push({ path, ...(await copyHashed(join(held, path), join(half, path), onBytes)) });
    }
    await writeManifest(half, {
      madeAt: new Date().toISOString(),
      version: version(),
      dump: { ...dump, workspace: id },
      artifacts,
      files,
      missing,
    });
    await verifyBackup(half, await readManifest(half), (size) => progress?.add("check", size, sum(files)));
    // An empty folder of that name may be there.
    await rename(half, to);
    const rows = dump.tables.reduce((all, table) => all + table.rows, 0);
    return {
      workspace: id,
      migration: dump.migration,
      rows,
      files: files.length,
      bytes: sum(files),
      missing,
    };
  } finally {
    for (const left of [half, held]) await rm(left, { recursive: true, force: true });
  }
}

/** What a backup that was killed left is removed; anything else of that name is somebody's. @throws E_BACKUP */
async function refuseOthersHalf(half: string): Promise<void> {
  const seen = lstatSync(half, { throwIfNoEntry: false });
  if (seen === undefined) return;
  const ours = new Set(["records", "artifacts", "attempts", "manifest.json"]);
  const other = seen.isDirectory() ? (await readdir(half)).find((name) => !ours.has(name)) : ".";
  if (other === undefined) return;
  throw new LegaloneError("E_BACKUP", `${join(half, other)} is in the way and of no backup`, {
    hint: "Move it elsewhere, or name another folder.",
  });
}

/** The same files under another path; on file systems without links they are read where they are. */
function holdFolder(from: string, to: string, files: readonly string[]): void {
  for (const file of files) {
    const path = join(to, file);
    mkdirSync(dirname(path), { recursive: true });
    linkSync(join(from, file), path);
  }
}

function sum(files: readonly BackupFile[]): number {
  return files.reduce((size, file) => size + file.size, 0);
}

/** With the records, whether servers run or not: what was started for this is stopped again. */
async function withDatabase<T>(home: string, work: (spec: ConnectionSpec) => Promise<T>): Promise<T> {
  if (knownWorkspaceId(home) === "")
    throw new LegaloneError("E_NOT_FOUND", `${home} is no workspace: nothing was run there`, {
      hint: "LEGALONE_HOME names the folder.",
    });
  const { state } = await postgresStatus(home);
  if (state !== "stopped") return work(databaseSpec(home));
  try {
    return await work(await startPostgres(home));
  } finally {
    await withLock(join(home, "up.lock"), async () => {
      // Somebody may have started the workspace meanwhile.
      if (readDaemon(join(home, "serve.json")) === undefined) await stopPostgres(home);
    });
  }
}

/** Before serve changes the records for a newer version: they alone, cheap and beside the workspace's own files. */
export async function saveRecords(
  spec: ConnectionSpec,
  home: string,
  pending: string,
  log: Log,
): Promise<void> {
  const folder = join(home, "backups");
  const stamp = new Date().toISOString().replaceAll(/[-:]|\..*/g, "");
  const to = join(folder, `before-${stamp}`);
  await writeBackup(spec, home, to, { artifacts: false });
  log.info("the records were written to a backup before they are changed", { backup: to, pending });
  const made = (await readdir(folder)).filter((name) => /^before-\d{8}T\d{6}$/.test(name)).sort();
  for (const name of made.slice(0, -keptBefore))
    await rm(join(folder, name), { recursive: true, force: true });
}
